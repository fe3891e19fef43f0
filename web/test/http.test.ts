import { afterEach, expect, it, vi } from "vitest";
import { httpSource } from "../src/source/http";
import type { Request } from "../src/types";

const request: Request = { kind: "layer", stream: "self", layer: 3 };
const answering = (status: number, body: BodyInit) =>
  vi.stubGlobal("fetch", vi.fn(async () => new Response(body, { status })));
const source = () => httpSource("head/data", new AbortController().signal);

afterEach(() => vi.unstubAllGlobals());

it("takes a reply apart", async () => {
  const meta = new TextEncoder().encode('{"codec":"gzip"}');
  answering(200, Uint8Array.from([meta.length, 0, 0, 0, ...meta, 7, 8, 9]));
  const reply = await source().fetch(request);
  expect(reply.meta).toEqual({ codec: "gzip" });
  expect([...reply.bytes]).toEqual([7, 8, 9]);
  expect(fetch).toHaveBeenCalledWith("head/data", expect.objectContaining({ method: "POST", body: JSON.stringify(request) }));
});

it("says what the server says, or that there is none", async () => {
  answering(400, '{"error": "no such layer"}');
  await expect(source().fetch(request)).rejects.toThrow("no such layer");
  answering(404, "Not found.");
  await expect(source().fetch(request)).rejects.toThrow("does not answer");
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(source().fetch(request)).rejects.toThrow("does not answer");
});

it("can be stopped", async () => {
  vi.stubGlobal("fetch", (_: string, { signal }: RequestInit) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))));
  const stop = new AbortController();
  const asked = source().fetch(request, stop.signal);
  stop.abort();
  await expect(asked).rejects.toMatchObject({ name: "AbortError" });
});
