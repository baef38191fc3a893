"""The page of the preview: one text, without anything from elsewhere."""

CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>edge-detector</title>
<style>
  :root { color-scheme: light dark; --edge: #8884; --good: #1a8f4a; --bad: #c4451c; }
  * { box-sizing: border-box; }
  body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
  main { display: grid; gap: 1rem; padding: 1rem; max-width: 80rem; margin: 0 auto;
         align-items: start;
         grid-template-columns: minmax(0, 3fr) minmax(18rem, 1fr); }
  @media (max-width: 50rem) { main { grid-template-columns: 1fr; } }
  figure { margin: 0; background: #111; border-radius: 8px; overflow: hidden;
           min-height: 12rem; display: grid; place-items: center; }
  img { width: 100%; height: auto; display: block; }
  h1 { font-size: 1.1rem; margin: 0 0 .75rem; display: flex; gap: .5rem; align-items: center; }
  #light { width: .8rem; height: .8rem; border-radius: 50%; background: var(--edge); }
  #light.good { background: var(--good); } #light.bad { background: var(--bad); }
  #state { margin: 0 0 .75rem; } #state.bad { color: var(--bad); font-weight: 600; }
  dl { display: grid; grid-template-columns: auto 1fr; margin: 0; }
  dt, dd { padding: .3rem 0; border-top: 1px solid var(--edge); margin: 0; }
  dt { padding-right: 1rem; opacity: .75; }
  dd { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
  <figure><img id="picture" alt="The live picture with what was detected"></figure>
  <section>
    <h1><span id="light"></span>edge-detector</h1>
    <p id="state" role="status">waiting for the device</p>
    <dl id="metrics"></dl>
  </section>
</main>
<script>
  "use strict";
  const $ = (id) => document.getElementById(id);
  const number = (value, digits, unit) =>
    value === null || value === undefined ? "–" : value.toFixed(digits) + " " + unit;
  const span = (s) => s < 90 ? s.toFixed(0) + " s" : s < 5400 ? (s / 60).toFixed(0) + " min"
    : (s / 3600).toFixed(1) + " h";
  const rows = (status) => [
    ["model", status.model], ["source", status.source],
    ["rate", number(status.fps, 1, "frames/s")],
    ["capture to result", number(status.latency_ms, 1, "ms")],
    ["p99 of the run", number(status.p99_ms, 1, "ms")],
    ["frames", status.frames.toLocaleString("en")],
    ["left out", status.dropped.toLocaleString("en")],
    ["reconnected", status.reopened.toLocaleString("en")],
    ["running for", span(status.uptime_s)],
    ["releases looked for", status.offline_s === null ? "–" : span(status.offline_s) + " ago"],
    ["runtime", status.runtime],
    ...Object.entries(status.detections).slice(0, 12).map(
      ([label, count]) => ["seen: " + label, count.toLocaleString("en")]),
  ];
  function show(good, text) {
    $("light").className = good ? "good" : "bad";
    $("state").className = good ? "" : "bad";
    $("state").textContent = text;
  }
  function look() { $("picture").src = "/stream.mjpg?" + Date.now(); }
  let away = false;
  async function refresh() {
    try {
      const answer = await fetch("/status.json", {signal: AbortSignal.timeout(4000)});
      const status = await answer.json();
      const cells = rows(status).flatMap(([name, value]) => {
        const term = document.createElement("dt"), detail = document.createElement("dd");
        term.textContent = name; detail.textContent = value;
        return [term, detail];
      });
      $("metrics").replaceChildren(...cells);
      show(status.trouble === null, status.trouble === null
        ? "detecting" : "no pictures: " + status.trouble);
      if (away) { away = false; look(); }
    } catch {
      away = true;
      show(false, "the device does not answer");
    }
    setTimeout(refresh, 1000);
  }
  $("picture").onerror = () => setTimeout(look, 2000);
  look(); refresh();
</script>
</body>
</html>
"""
