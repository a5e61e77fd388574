/** The two gates of a connector, which its engram opens and closes over Control (data-plane 6.4, D-056). */

export class Gates {
  #upstream = true;
  #downstream = true;

  /** Whether the engram's packets go on to the hub and peers. */
  get upstream(): boolean {
    return this.#upstream;
  }

  /** Whether packets go on to the engram. */
  get downstream(): boolean {
    return this.#downstream;
  }

  set(which: "upstream" | "downstream" | "both", isOpen: boolean): void {
    if (which !== "downstream") this.#upstream = isOpen;
    if (which !== "upstream") this.#downstream = isOpen;
  }
}
