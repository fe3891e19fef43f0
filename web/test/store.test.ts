import { describe, expect, it } from "vitest";
import { gzipSync } from "node:zlib";
import { Source } from "../src/source/cache";
import { syncState, widgetSource, type WidgetModel } from "../src/source/widget";
import { activeHeads, createStore, soloHead, toggleHead } from "../src/store";
import { keyOf, type Request, type Spec } from "../src/types";
import { sentence, strongest } from "../src/data/tokens";
import { unpack } from "../src/data/decode";

const side = { text: ["a", "b"], raw: ["a", "b"], special: [], words: [0, 1], segments: [] };

export function spec(): Spec {
  return {
    version: 1, view: "head", theme: "auto", title: "", notes: [], encoding: "sqrt8", carries: "weights", sides: [side],
    streams: [
      { name: "self", label: "Self", query: 0, key: 0, causal: false, sinks: false, thumbnail: null, measures: [], layers: [{ layer: 4, heads: [0, 1, 2] }, { layer: 9, heads: [1] }] },
      { name: "cross", label: "Cross", query: 0, key: 0, causal: false, sinks: false, thumbnail: null, measures: [], layers: [{ layer: 0, heads: [7] }] },
    ],
    state: { stream: "self", filter: "all", layer: 9, heads: null, head: null, expanded: false, pinned: null, opened: null, cells: "auto", mean: false, sort: "number", hide_special: false, renormalise: false, threshold: 0, over: "head", quantity: "weight", words: false, window: null, cursor: null, color: "root", fit: false, blocks: "max", measure: "", all_layers: false, column: false, search: "", outcome: "all", step: 0, hide_first: false, show: "both" },
  };
}

describe("store", () => {
  it("stays valid whatever the state says", () => {
    const store = createStore(spec());
    expect(store.layer.value.layer).toBe(9);
    store.state.stream.value = "cross";
    expect([store.layer.value.layer, store.heads.value]).toEqual([0, [7]]);
    store.state.stream.value = "no such";
    expect(store.stream.value.name).toBe("self");
  });

  it("keeps the heads across layers", () => {
    const store = createStore(spec());
    store.state.layer.value = 4;
    store.state.heads.value = [1, 2];
    expect(store.heads.value).toEqual([1, 2]);
    store.state.layer.value = 9;
    expect(store.heads.value).toEqual([1]);
    store.state.layer.value = 4;
    expect(store.heads.value).toEqual([1, 2]);
  });
});

describe("heads", () => {
  const all = [0, 1, 2];
  it("a click switches one, but never the last", () => {
    expect(toggleHead(all, all, 1)).toEqual([0, 2]);
    expect(toggleHead(all, [0, 2], 1)).toBeNull();
    expect(toggleHead(all, [1], 1)).toEqual([1]);
    expect(toggleHead(all, [2], 0)).toEqual([0, 2]);
  });
  it("a double click leaves one alone, or brings all back", () => {
    expect(soloHead(all, all, 1)).toEqual([1]);
    expect(soloHead(all, [1], 1)).toBeNull();
  });
  it("no known head means all", () => expect(activeHeads(all, [99])).toEqual(all));
});

it("names requests as Python does", () => {
  expect(keyOf({ kind: "layer", stream: "self", layer: 3 })).toBe("layer/self/3");
  expect(keyOf({ kind: "thumbnails", stream: "self" })).toBe("thumbnails/self");
});

describe("source", () => {
  const meta = { shape: [1, 2, 2], encoding: "sqrt8", codec: "gzip", spread: 0.5 } as const;
  const bytes = new Uint8Array(gzipSync(new Uint8Array(4)));
  const request = (layer: number): Request => ({ kind: "layer", stream: "self", layer });

  it("asks once, keeps, and lets the oldest go", async () => {
    const asked: string[] = [];
    const source = new Source({ live: false, fetch: async (r) => (asked.push(keyOf(r)), { meta: { ...meta, shape: [...meta.shape] }, bytes }) }, 8);
    await Promise.all([source.get(request(0)), source.get(request(0))]);
    await source.get(request(1));
    await source.get(request(0));
    await source.get(request(2));
    expect(asked).toEqual(["layer/self/0", "layer/self/1", "layer/self/2"]);
    expect([0, 1, 2].map((layer) => source.peek(request(layer)) !== undefined)).toEqual([true, false, true]);
  });

  it("asks again after a failure", async () => {
    let failing = true;
    const source = new Source({
      live: false,
      fetch: async () => {
        if (failing) throw new Error("gone");
        return { meta: { ...meta, shape: [...meta.shape] }, bytes };
      },
    });
    await expect(source.get(request(0))).rejects.toThrow("gone");
    failing = false;
    await expect(source.get(request(0))).resolves.toBeDefined();
  });
});

class FakeModel implements WidgetModel {
  state: Record<string, unknown> = {};
  saved = 0;
  sent: { id: string; request: Request }[] = [];
  listeners = new Map<string, Set<(...args: never[]) => void>>();
  get(name: string) { return this.state[name]; }
  set(name: string, value: unknown) { this.state[name] = value; this.fire(`change:${name}`); }
  save_changes() { this.saved++; }
  send(content: unknown) { this.sent.push(content as { id: string; request: Request }); }
  on(event: string, callback: (...args: never[]) => void) { this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(callback)); }
  off(event: string, callback?: (...args: never[]) => void) { if (callback) this.listeners.get(event)?.delete(callback); }
  fire(event: string, ...args: unknown[]) { this.listeners.get(event)?.forEach((callback) => (callback as (...a: unknown[]) => void)(...args)); }
}

describe("widget", () => {
  it("keeps traits and store together without echo", () => {
    const [model, store, abort] = [new FakeModel(), createStore(spec()), new AbortController()];
    model.state = { ...spec().state, layer: 4 };
    syncState(model, store, abort.signal);
    expect([store.state.layer.value, model.saved]).toEqual([4, 0]);
    store.state.layer.value = 9;
    expect([model.state.layer, model.saved]).toEqual([9, 1]);
    model.set("heads", [1]);
    expect([store.state.heads.value, model.saved]).toEqual([[1], 1]);
    abort.abort();
    store.state.layer.value = 4;
    expect([model.state.layer, model.saved]).toEqual([9, 1]);
  });

  it("matches replies to requests, and passes errors on", async () => {
    const [model, abort] = [new FakeModel(), new AbortController()];
    const source = widgetSource(model, abort.signal);
    const [first, second] = [source.fetch({ kind: "layer", stream: "self", layer: 0 }), source.fetch({ kind: "layer", stream: "self", layer: 1 })];
    model.fire("msg:custom", { id: model.sent[1]!.id, error: "no layer 1" }, []);
    model.fire("msg:custom", { id: model.sent[0]!.id, meta: { shape: [] } }, [new DataView(Uint8Array.of(9, 7, 8).buffer, 1)]);
    await expect(second).rejects.toThrow("no layer 1");
    expect([...(await first).bytes]).toEqual([7, 8]);
  });
  it("takes a request back once, while it is on its way", async () => {
    const [model, stop] = [new FakeModel(), new AbortController()];
    const source = widgetSource(model, new AbortController().signal);
    const request: Request = { kind: "layer", stream: "self", layer: 0 };
    const [first, second] = [source.fetch(request, stop.signal), source.fetch(request, stop.signal)];
    const [one, other] = model.sent.map(({ id }) => id);
    model.fire("msg:custom", { id: one, meta: { shape: [] } }, [new DataView(Uint8Array.of(7).buffer)]);
    stop.abort();
    await expect(second).rejects.toThrow("aborted");
    expect([...(await first).bytes]).toEqual([7]);
    expect(model.sent.slice(2)).toEqual([{ stop: other }]);
  });
});

it("finds and tells the strongest partners", () => {
  const weights = unpack(Uint8Array.of(254, 0, 127, 180), { shape: [1, 2, 2], encoding: "sqrt8", codec: "gzip", spread: 0 });
  const partners = strongest(weights, [0], { side: "query", index: 1 }, { start: 0, stop: 2 }, 5);
  expect(partners.map((partner) => partner.index)).toEqual([1, 0]);
  expect(sentence({ side: "query", index: 1 }, side, side, partners)).toBe("query 'b': 0.502 to 'b', 0.250 to 'a'");
});
