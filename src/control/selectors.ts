/** Which bindings a subscription selects. An empty field of a selector matches all. */
import { TransportError } from "../contract/errors.ts";

export interface BindingSelector {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
}

/** Selectors of one subscription, at most. */
export const maxSelectors = 100;

/**
 * The selectors of a subscription; none select everything, as a wildcard does in xDS. Throws `InvalidRequest` for more
 * than `maxSelectors`.
 */
export function checkedSelectors(selectors: readonly BindingSelector[]): readonly BindingSelector[] {
  if (selectors.length > maxSelectors) {
    throw new TransportError("InvalidRequest", `selectors: ${selectors.length} of at most ${maxSelectors}`);
  }
  return selectors.length === 0 ? [{ namespace: "", storyRun: "", step: "" }] : selectors;
}

/** True where any of `selectors` matches. */
export function selects(selectors: readonly BindingSelector[], of: BindingSelector): boolean {
  return selectors.some((selector) =>
    (selector.namespace === "" || selector.namespace === of.namespace) &&
    (selector.storyRun === "" || selector.storyRun === of.storyRun) &&
    (selector.step === "" || selector.step === of.step)
  );
}

/** The index key of a selector. Names have no slash, so keys never meet by accident. */
export function topicOf({ namespace, storyRun, step }: BindingSelector): string {
  return `${namespace}/${storyRun}/${step}`;
}

/** Every index key under which a binding is found: each field either named or left open. */
export function topicsOf({ namespace, storyRun, step }: BindingSelector): readonly string[] {
  return [
    `${namespace}/${storyRun}/${step}`,
    `${namespace}/${storyRun}/`,
    `${namespace}//${step}`,
    `${namespace}//`,
    `/${storyRun}/${step}`,
    `/${storyRun}/`,
    `//${step}`,
    `//`,
  ];
}
