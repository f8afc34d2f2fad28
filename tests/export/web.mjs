// Opens examples/web in headless Chromium and lets it classify sounds:
//     node web.mjs EXAMPLES MODULES MODEL.onnx SOUND.wav...
// EXAMPLES: the folder examples/web; MODULES: a node_modules with onnxruntime-web and puppeteer-core. Prints one JSON object a
// sound, {"sound", "scores"}, then one for the microphone, which Chromium fakes with the first sound.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize, resolve } from "node:path";

const [examples, modules, model, ...sounds] = process.argv.slice(2).map((path) => resolve(path));
const puppeteer = createRequire(join(modules, "x.js"))("puppeteer-core");
const kinds = { ".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm" };

const server = createServer((request, response) => {
  const path = normalize(decodeURI(new URL(request.url, "http://x").pathname));
  const inside = path.startsWith("/node_modules/") ? join(modules, path.slice("/node_modules/".length)) : join(examples, path);
  if (!existsSync(inside)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": kinds[extname(inside)] ?? "application/octet-stream" });
  createReadStream(inside).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${sounds[0]}`],
});
const page = await browser.newPage();
page.on("pageerror", (error) => console.error(String(error)));
page.on("console", (message) => message.type() === "error" && console.error(message.text()));
await page.goto(`http://127.0.0.1:${server.address().port}/index.html`);
const answer = async (sound) => {
  await page.waitForFunction(() => document.getElementById("answer").dataset.scores, { timeout: 60_000 });
  const scores = await page.evaluate(() => {
    const { dataset } = document.getElementById("answer");
    const said = dataset.scores;
    delete dataset.scores;
    return said;
  });
  console.log(JSON.stringify({ sound, scores: JSON.parse(scores) }));
};
await (await page.$("#model")).uploadFile(model);
await page.waitForFunction(() => !document.getElementById("sound").disabled, { timeout: 60_000 });
for (const sound of sounds) {
  await (await page.$("#sound")).uploadFile(sound);
  await answer(sound);
}
await page.click("#microphone");
await answer("microphone");
await browser.close();
server.close();
