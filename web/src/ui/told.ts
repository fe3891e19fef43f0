// What one of several linked pictures points at, told to the others.
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Puts it into a shared signal, and takes back no more than that. */
export function useTold<T extends object>(told: Signal<T | null> | undefined, own: T | null): void {
  const last = useRef<T | null>(null);
  useEffect(() => {
    if (told && (own || told.peek() === last.current)) told.value = own;
    last.current = own;
  }, [JSON.stringify(own)]);
}
