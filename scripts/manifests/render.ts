/** Every file below manifests/, by its path. */
import { renderChart } from "./chart.ts";
import { renderKustomize } from "./kustomize.ts";

export function renderAll(): Map<string, string> {
  return new Map([
    ...renderKustomize(),
    ...renderChart().map(([path, text]) => [`chart/${path}`, text] as const),
  ]);
}
