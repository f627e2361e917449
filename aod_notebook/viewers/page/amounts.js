// @ts-check
/** Amounts in the few characters of a column; what is unknown is empty. */

export const US = 1e6; // microseconds in a second
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** A duration as it is written in columns (`words.duration`). @param {number?} [s] */
export function brief(s) {
  if (s === null || s === undefined || s < 0) return "";
  if (s < 0.05) return "<0.1 s";
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 100) return `${whole} s`;
  if (whole < HOUR_S) return `${Math.floor(whole / MINUTE_S)} min ${two(whole % MINUTE_S)}`;
  if (whole < DAY_S) return `${Math.floor(whole / HOUR_S)} h ${two(Math.floor((whole % HOUR_S) / MINUTE_S))}`;
  return `${Math.floor(whole / DAY_S)} d ${Math.floor((whole % DAY_S) / HOUR_S)} h`;
}

/** A count of tokens (`words.tokens`). @param {number?} [n] */
export function tokens(n) {
  if (n === null || n === undefined) return "";
  for (const [size, letter] of /** @type {[number, string][]} */ ([[1e9, "G"], [1e6, "M"], [1e3, "k"]])) {
    if (n < size * 0.9995) continue;
    const scaled = n / size;
    return (letter !== "k" || scaled < 9.95 ? scaled.toFixed(1) : scaled.toFixed(0)) + letter;
  }
  return n.toFixed(0);
}

/** An amount in US dollars (`words.dollars`). @param {number?} [amount] */
export function dollars(amount) {
  if (amount === null || amount === undefined) return "";
  if (amount > 0 && amount < 0.01) return `$${Number(amount.toPrecision(2))}`;
  if (Math.abs(amount) < 1000) return `$${amount.toFixed(2)}`; // `toLocaleString` takes ten times as long
  return `$${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** How long ago something was (`words.age`). @param {number?} at seconds since 1970 @param {number} now the same */
export function age(at, now) {
  if (at === null || at === undefined) return "";
  const s = Math.max(0, now - at);
  if (s < MINUTE_S) return `${Math.floor(s)} s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min`;
  if (s < DAY_S) return `${Math.floor(s / HOUR_S)} h`;
  if (s < 2 * DAY_S) return "yesterday";
  const day = new Date(at * 1000);
  const year = day.getUTCFullYear() === new Date(now * 1000).getUTCFullYear() ? "" : ` ${day.getUTCFullYear()}`;
  return `${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]}${year}`;
}

/** The exact time, in UTC. @param {number?} at seconds since 1970 */
export const exact = (at) => (at === null || at === undefined ? "" : `${new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`);
