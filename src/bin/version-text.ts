/** The version of this program, as `package.json` says; a test holds the two together. */
export const version = "0.1.0";
