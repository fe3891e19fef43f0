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

  /** Arrays that the caller keeps himself. */
  async ask(request: Request, stop?: AbortSignal): Promise<Arrays> {
    return (await this.#read(request, async (reply) => ({ data: await decodeArrays(reply), bytes: 0 }), stop)).data;
  }

  /** Whether tiles can be asked for. */
  get live(): boolean {
    return this.#transport.live;
  }

  /** The script that runs here, where the page has it as text. */
  code(): string | null {
    return this.#transport.code?.() ?? null;
  }

  /** What was kept under a name. */
  recall<T>(key: string): T | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.data as T;
  }

  keep(key: string, data: unknown, bytes: number): void {
    this.#bytes += bytes - (this.#kept.get(key)?.bytes ?? 0);
    this.#kept.delete(key);
    this.#kept.set(key, { data, bytes });
    for (const [old, value] of this.#kept) {
      if (this.#bytes <= this.#budget || old === key) break;
      this.#kept.delete(old);
      this.#bytes -= value.bytes;
    }
  }

  #want<T>(request: Request, read: (reply: Reply) => Promise<Kept<T>>): Promise<T> {
    const key = keyOf(request);
    const kept = this.recall<T>(key);
    if (kept) return Promise.resolve(kept);
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = this.#load(key, request, read).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending as Promise<T>;
  }

  async #load<T>(key: string, request: Request, read: (reply: Reply) => Promise<Kept<T>>): Promise<T> {
    const { data, bytes } = await this.#read(request, read);
    this.keep(key, data, bytes);
    return data;
  }

  async #read<T>(request: Request, read: (reply: Reply) => Promise<Kept<T>>, stop?: AbortSignal): Promise<Kept<T>> {
    const reply = await this.#transport.fetch(request, stop);
    return read(reply).catch((cause: unknown) => {
      const said = cause instanceof RangeError || cause instanceof TypeError ? "" : ` (${(cause as Error).message})`;
      throw new Error(`The data for "${keyOf(request)}" are damaged${said}. Save or run the view again.`);
    });
  }
}
