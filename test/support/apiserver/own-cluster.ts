/** One cluster for a test file whose names of what has no namespace are its own, with a client and kubectl for each test. */
import { openTool, type Tool } from "../kubectl.ts";
import { type Api, openApi } from "./api.ts";
import { type Bed, startBed } from "./bed.ts";

export interface OwnCluster extends AsyncDisposable {
  /** A client and kubectl as administrator; starts the cluster with the first. */
  opened(): Promise<{ readonly api: Api; readonly kubectl: Tool } & Disposable>;
}

/** Nothing is started yet. Disposing of it ends the cluster. */
export function ownCluster(): OwnCluster {
  let bed: Bed | null = null;
  return {
    async opened() {
      bed ??= await startBed();
      const api = openApi(bed.kubeconfig);
      const kubectl = openTool("kubectl", bed.kubeconfig);
      return {
        api,
        kubectl,
        [Symbol.dispose]() {
          kubectl[Symbol.dispose]();
          api[Symbol.dispose]();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await bed?.[Symbol.asyncDispose]();
    },
  };
}
