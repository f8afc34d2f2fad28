// Classifies a sound file or the microphone by a model that `aat-tui export SESSION model.onnx` wrote.
// `npm install onnxruntime-web` in this folder, then serve it: python3 -m http.server

import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
import { metadata } from "./metadata.mjs";

const $ = (id) => document.getElementById(id);
let model, labels, rate, windowed;

async function open(bytes) {
  const about = metadata(bytes);
  if (!about.labels) throw new Error("this file has no labels: it was not written by aat-tui export");
  model = await ort.InferenceSession.create(bytes);
  [labels, rate] = [JSON.parse(about.labels), Number(about.sample_rate)];
  windowed = Math.round(rate * Number(about.window_seconds));
  $("sound").disabled = $("microphone").disabled = false;
  $("status").textContent = `${labels.length} classes, ${Number(about.window_seconds).toFixed(1)} s at a time`;
}

/** Scores of mono samples at the model's rate, in the order of the labels. */
async function classify(samples) {
  const { scores } = await model.run({ waveform: new ort.Tensor("float32", samples, [1, samples.length]) });
  return scores.data;
}

function show(scores) {
  const ranked = [...scores].map((score, at) => [score, labels[at]]).sort((a, b) => b[0] - a[0]);
  $("answer").replaceChildren(...ranked.slice(0, 5).map(([score, label]) => {
    const [row, name, bar, number] = ["div", "span", "meter", "span"].map((tag) => document.createElement(tag));
    [name.textContent, bar.value, number.textContent] = [label, score, score.toFixed(3)];
    row.append(name, bar, number);
    return row;
  }));
  $("answer").dataset.scores = JSON.stringify([...scores]); // for tests
}

/** A file's sound, mono, at the model's rate: a context of that rate resamples while it decodes. */
async function decode(file) {
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at));
  return Float32Array.from(channels[0], (_, at) => channels.reduce((sum, one) => sum + one[at], 0) / channels.length);
}

async function listen() {
  const context = new AudioContext({ sampleRate: rate });
  const code = "registerProcessor('tap', class extends AudioWorkletProcessor {" +
    "process([[samples]]) { if (samples) this.port.postMessage(samples.slice()); return true; } });";
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const voice = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const source = context.createMediaStreamSource(await navigator.mediaDevices.getUserMedia({ audio: voice }));
  const tap = new AudioWorkletNode(context, "tap");
  let heard = new Float32Array(0);
  tap.port.onmessage = ({ data }) => {
    const all = new Float32Array(heard.length + data.length);
    all.set(heard);
    all.set(data, heard.length);
    heard = all.subarray(Math.max(0, all.length - windowed));
  };
  source.connect(tap);
  while (context.state !== "closed") {
    await new Promise((ready) => setTimeout(ready, 500));
    if (heard.length >= Math.min(rate / 2, windowed)) show(await classify(heard.slice()));
  }
}

/** Does something that may fail, and says why it did. */
const tried = (what) => what().catch((error) => { $("status").textContent = `That did not work: ${error.message}`; });

$("model").onchange = ({ target }) => tried(async () => open(new Uint8Array(await target.files[0].arrayBuffer())));
$("sound").onchange = ({ target }) => tried(async () => show(await classify(await decode(target.files[0]))));
$("microphone").onclick = () => tried(listen);
