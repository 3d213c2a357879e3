// How numbers and times read. Times are UTC, as everywhere in engrams.

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" });
const LONG = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

export const number = (n: number): string => NUMBER.format(n);

export function counted(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

export const day = (time: string): string => DAY.format(new Date(time));
export const longDay = (time: string): string => LONG.format(new Date(time));
export const clock = (time: string): string => CLOCK.format(new Date(time));

export function when(time: string | null): string {
  return time ? `${day(time)}, ${clock(time)}` : "–";
}

export function bytes(n: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let left = n;
  while (left >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${unit ? left.toFixed(1) : number(left)} ${units[unit]}`;
}

export function milliseconds(n: number): string {
  return n < 1 ? `${n.toFixed(2)} ms` : n < 100 ? `${n.toFixed(1)} ms` : `${number(Math.round(n))} ms`;
}

export function share(n: number): string {
  return `${n < 0 ? "−" : ""}${Math.abs(n).toFixed(2)}`;
}

export const short = (id: string): string => (id.length > 13 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);
