/**
 * Rendezvous hashing: which of several hubs a key belongs to. Every process that knows the same names answers the same,
 * without a table: each pair of key and name has a weight, and the highest one wins. When a name goes, only its keys
 * move, to where their second highest weight was; when one comes, it takes its share and nothing else moves.
 */
import { digest } from "../contract/digest.ts";

const utf8 = new TextEncoder();

/**
 * The name with the highest weight for `key`; null where there are none. The weight is the SHA-256 of key and name with
 * a zero byte between them, compared as its 22 characters of base64url: any order of equally likely texts is as good as
 * that of numbers. Names and keys contain no zero byte. About 2 µs per name.
 */
export function rendezvous(key: string, names: Iterable<string>): string | null {
  let best: string | null = null;
  let bestWeight = "";
  for (const name of names) {
    const weight = digest(utf8.encode(`${key}\0${name}`));
    if (best !== null && (weight < bestWeight || (weight === bestWeight && name >= best))) continue;
    best = name;
    bestWeight = weight;
  }
  return best;
}
