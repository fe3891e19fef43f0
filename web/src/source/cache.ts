// Keeps decoded data, least recently used out first, and asks once for what several want.
import { decode, type Weights } from "../data/decode";
import { decodeArrays, type Arrays } from "../data/vectors";
import { keyOf, type Reply, type Request, type Transport } from "../types";

const BUDGET = 256 * 2 ** 20;

interface Kept<T> {
  data: T;
  bytes: number;
}

export class Source {
  #transport: Transport;
  #budget: number;
  #bytes = 0;
  #kept = new Map<string, Kept<unknown>>();
  #pending = new Map<string, Promise<unknown>>();

  constructor(transport: Transport, budget = BUDGET) {
    this.#transport = transport;
    this.#budget = budget;
  }

  /** The weights if they are at hand, without waiting. */
  peek(request: Request): Weights | undefined {
    return this.#kept.get(keyOf(request))?.data as Weights | undefined;
  }

  /** Weights, for requests of kind `layer` and `thumbnails`. */
  get(request: Request): Promise<Weights> {
    return this.#want(request, async (reply) => {
      const data = await decode(reply);
      return { data, bytes: data.codes.byteLength };
    });
  }

  /** Arrays, for requests of any other kind. */
  arrays(request: Request): Promise<Arrays> {
    return this.#want(request, async (reply) => {
      const data = await decodeArrays(reply);
      return { data, bytes: data.bytes };
    });
  }

  #want<T>(request: Request, read: (reply: Reply) => Promise<Kept<T>>): Promise<T> {
    const key = keyOf(request);
    const kept = this.#kept.get(key);
    if (kept) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return Promise.resolve(kept.data as T);
    }
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = this.#load(key, request, read).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending as Promise<T>;
  }

  async #load<T>(key: string, request: Request, read: (reply: Reply) => Promise<Kept<T>>): Promise<T> {
    const reply = await this.#transport.fetch(request);
    const made = await read(reply).catch((cause: unknown) => {
      const said = cause instanceof RangeError || cause instanceof TypeError ? "" : ` (${(cause as Error).message})`;
      throw new Error(`The data for "${key}" are damaged${said}. Save or run the view again.`);
    });
    this.#kept.set(key, made);
    this.#bytes += made.bytes;
    for (const [old, value] of this.#kept) {
      if (this.#bytes <= this.#budget || old === key) break;
      this.#kept.delete(old);
      this.#bytes -= value.bytes;
    }
    return made.data;
  }
}
