import { expect, test } from "vitest";
import { escaped, Recorder } from "../src/export/recorder";

test("paths, colours and opacity are written down as they are painted", () => {
  const pen = new Recorder("c");
  pen.globalAlpha = 0.25;
  pen.strokeStyle = "rgb(1,2,3)";
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(0, 1);
  pen.quadraticCurveTo(2, 3, 4.126, 5);
  pen.stroke();
  expect(pen.svg(10, 20)).toBe(
    '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="20" viewBox="0 0 10 20"><path d="M0 1Q2 3 4.13 5" fill="none" stroke="rgb(1,2,3)" stroke-width="1.5" opacity="0.25"/></svg>',
  );
});

test("what was saved comes back, and its groups end", () => {
  const pen = new Recorder("c");
  pen.fillStyle = "red";
  pen.save();
  pen.fillStyle = "blue";
  pen.translate(3, 4);
  pen.beginPath();
  pen.rect(0, 0, 5, 5);
  pen.clip();
  pen.restore();
  expect(pen.fillStyle).toBe("red");
  const text = pen.svg(1, 1);
  expect(text.match(/<g /g)).toHaveLength(2);
  expect(text.match(/<\/g>/g)).toHaveLength(2);
  expect(text).toContain('clip-path="url(#c-0)"');
});

test("text is escaped and keeps its width", () => {
  const pen = new Recorder("c");
  pen.fillText("</text><script>&\u0000", 1, 2, 30);
  const text = pen.svg(1, 1);
  expect(text).not.toContain("<script");
  expect(text).toContain("&#60;/text&#62;&#60;script&#62;&#38;\ufffd");
  expect(text).toContain('textLength="30"');
  expect(escaped(`"'`)).toBe("&#34;&#39;");
});
