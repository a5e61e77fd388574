// What `npm run test:deno` leaves out: only tests whose subject is a client from elsewhere that Deno cannot run, or a
// tool of the checkout that runs on Node alone. The list may only shrink; test/suites.test.ts holds its length.

/** Path of the test file → why it does not run on Deno. */
export const leftOutOnDeno: Readonly<Record<string, string>> = {
  // Their connectors would be Deno processes, and Deno 2.9 dies inside of nghttp2 when clients of a server leave right
  // after a call (denoland/deno#36788): about one run in two. They come back with a Deno that does not.
  "test/local-children.test.ts": "Deno 2.9 crashes as an HTTP/2 server (denoland/deno#36788)",
  "test/voice.test.ts": "Deno 2.9 crashes as an HTTP/2 server (denoland/deno#36788)",
};

/** Whether a file does not run on Deno: by name, or as a test on a real API server, which run once, on Node. */
export function isLeftOutOnDeno(file: string): boolean {
  return leftOutOnDeno[file] !== undefined || file.startsWith("test/cluster/");
}
