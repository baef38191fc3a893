"""The page to try the service on: what answers and whether it is ready on top, the calls below.

It loads nothing from elsewhere: its assets are those that BentoML's server has, whose own page
would load a tracker.
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fraud detector</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static_content/swagger-ui.css">
<style>
body { margin: 0; }
#status { font: 15px sans-serif; color: #3b4151; background: #f3f5f7; border-left: 8px solid #999; }
#status.ready { border-color: #2f8f4e; }
#status.warned { border-color: #d98d00; }
#status.waiting { border-color: #c0392b; }
#status dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px;
  max-width: 1420px; margin: 0 auto; padding: 16px 20px; }
#status dt { font-weight: bold; }
#status dd { margin: 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
<header id="status"><dl aria-live="polite"><dt>Status</dt><dd>is being asked for</dd></dl></header>
<main id="page"></main>
<script src="static_content/swagger-ui-bundle.js"></script>
<script>
"use strict";
function show(kind, entries) {
  const list = document.createElement("dl");
  for (const [name, value] of entries) {
    if (value === null || value === undefined) continue;
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  const status = document.getElementById("status");
  if (status.className === kind && status.firstChild.innerHTML === list.innerHTML) return;
  status.className = kind;
  status.replaceChildren(list);
}
function age(seconds) {
  if (seconds === null) return "no snapshot: windows count what the service has seen itself";
  const hours = seconds / 3600;
  if (hours < 1) return "less than an hour old";
  return hours < 2 ? "an hour old" : Math.floor(hours) + " hours old";
}
async function look() {
  try {
    const found = await (await fetch("readyz", {cache: "no-store"})).json();
    if (found.error) {
      show("waiting", [["Status", found.error.message]]);
      return;
    }
    const kind = !found.ready ? "waiting" : found.waiting_for ? "warned" : "ready";
    show(kind, [
      ["Status", found.ready ? "ready" : "not ready: no model answers"],
      ["Model", found.model],
      ["Threshold", found.threshold === null ? null
        : found.threshold.toPrecision(4) + ": a probability from here on is called fraud"],
      ["Features", found.features === null ? null
        : found.contract === "handbook" ? "the Handbook's 15, or a raw transaction"
        : found.features.length + " of its own: " + found.features.join(", ")],
      ["New contract", found.new_contract],
      ["Shadow", found.shadow],
      ["History", found.contract === "own" ? null : age(found.state_age_s)],
      [found.ready ? "Note" : "Waiting for", found.waiting_for],
    ]);
  } catch (error) {
    show("waiting", [["Status", "the service does not answer"]]);
  }
}
look();
setInterval(look, 5000);
SwaggerUIBundle({
  url: "docs.json",
  dom_id: "#page",
  tryItOutEnabled: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
});
</script>
</body>
</html>
"""
