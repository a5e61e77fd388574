// What `npm run test:deno` leaves out: only tests whose subject is a client from elsewhere that Deno cannot run, or a
// tool of the checkout that runs on Node alone. The list may only shrink; test/suites.test.ts holds its length.

/** Path of the test file → why it does not run on Deno. */
export const leftOutOnDeno: Readonly<Record<string, string>> = {};
