// How wide an element is, as it changes.
import { useLayoutEffect, useState } from "preact/hooks";

export function useWidth(el: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const read = () => setWidth(Math.floor(el.current!.getBoundingClientRect().width));
    const observer = new ResizeObserver(read);
    observer.observe(el.current!);
    read();
    return () => observer.disconnect();
  }, []);
  return width;
}
