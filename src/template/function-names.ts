/** Names of the functions that templates may call (data-plane 9.6); everything else does not parse. */

const builtIn = "and or not len index slice print printf println html js urlquery call eq ne lt le gt ge";

const sprig = `
date date_in_zone date_modify dateInZone dateModify duration durationRound htmlDate htmlDateInZone must_date_modify
mustDateModify mustToDate toDate unixEpoch
abbrev abbrevboth trunc trim upper lower title untitle substr trimall trimAll trimSuffix trimPrefix nospace initials
snakecase camelcase kebabcase wrap wrapWith contains hasPrefix hasSuffix quote squote cat indent nindent replace plural
toString
sha1sum sha256sum adler32sum
atoi int64 int float64 toDecimal
add1 add sub div mod mul add1f addf subf divf mulf biggest max min maxf minf ceil floor round
split splitList splitn toStrings join sortAlpha
default empty coalesce all any compact mustCompact ternary fail
fromJson toJson toPrettyJson toRawJson mustFromJson mustToJson mustToPrettyJson mustToRawJson
typeOf typeIs typeIsLike kindOf kindIs deepEqual
base dir clean ext isAbs osBase osClean osDir osExt osIsAbs
b64enc b64dec b32enc b32dec
dict get hasKey pluck keys pick omit values dig
tuple list append push mustAppend mustPush prepend mustPrepend first mustFirst rest mustRest last mustLast initial
mustInitial reverse mustReverse uniq mustUniq without mustWithout has mustHas slice mustSlice concat
semver semverCompare`;

const helpers = "len hash_of type_of exists sample";

/** Functions of every scope. */
export const alwaysAllowed: ReadonlySet<string> = words(`${builtIn} ${sprig} ${helpers}`);

/** Functions of scopes that may read the clock. */
export const clockFunctions: ReadonlySet<string> = words("now");

/** Functions of scopes that may draw random values. */
export const randomFunctions: ReadonlySet<string> = words(
  "randAlpha randAlphaNum randAscii randNumeric randInt uuidv4",
);

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}
