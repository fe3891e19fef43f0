// Data and state through an anywidget model: requests as messages, state as traits.
import { effect } from "@preact/signals";
import { STATE_KEYS, type Store } from "../store";
import type { Reply, Request, Transport } from "../types";

/** What is used of anywidget's model. */
export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback?: (...args: never[]) => void): void;
}

interface Message {
  id: string;
  meta?: Reply["meta"];
  error?: string;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

let asked = 0;

export function widgetSource(model: WidgetModel, signal: AbortSignal): Transport {
  const waiting = new Map<string, Waiting>();
  const receive = (message: Message, buffers: (DataView | ArrayBuffer)[]) => {
    const request = waiting.get(message?.id);
    if (!request) return;
    waiting.delete(message.id);
    if (message.meta && buffers[0]) request.resolve({ meta: message.meta, bytes: bytesOf(buffers[0]) });
    else request.reject(new Error(message.error ?? "The kernel sent no data. Run the cell again."));
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive), { once: true });
  return {
    live: true,
    fetch: (request: Request, stop?: AbortSignal) =>
      new Promise((resolve, reject) => {
        const id = `${Date.now().toString(36)}-${++asked}`;
        const stopped = () => {
          if (!waiting.delete(id)) return;
          model.send({ stop: id });
          reject(stop!.reason);
        };
        waiting.set(id, { resolve, reject });
        stop?.addEventListener("abort", stopped, { once: true });
        model.send({ id, request });
      }),
  };
}

function bytesOf(buffer: DataView | ArrayBuffer): Uint8Array<ArrayBuffer> {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}

/** Two-way: store → traits → store. Values are compared as JSON, so nothing echoes. */
export function syncState(model: WidgetModel, store: Store, signal: AbortSignal): void {
  const ends: (() => void)[] = [];
  for (const key of STATE_KEYS) {
    const state = store.state[key] as { value: unknown };
    const pull = () => {
      const value = model.get(key);
      if (value !== undefined && !same(value, state.value)) state.value = value;
    };
    pull();
    model.on(`change:${key}`, pull);
    const stop = effect(() => {
      const value = state.value;
      if (same(value, model.get(key))) return;
      model.set(key, value);
      model.save_changes();
    });
    ends.push(stop, () => model.off(`change:${key}`, pull));
  }
  signal.addEventListener("abort", () => ends.forEach((end) => end()), { once: true });
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
