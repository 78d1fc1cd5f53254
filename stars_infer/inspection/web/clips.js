// The page of `stars data inspect --html`: a player in which to choose a clip, and its facts.

import { Player } from "./player.js";

const clips = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const player = new Player($("player"), { keys: document, captions: false });

function choose(number) {
  player.show([clips[number]]);
  $("name").textContent = document.title = clips[number].name;
  $("square").textContent = `${clips[number].square} m`;
  document.querySelectorAll("[data-clip]").forEach((section) => {
    section.hidden = Number(section.dataset.clip) !== number;
  });
}

clips.forEach((one, number) => $("clip").add(new Option(one.name, number)));
$("clip").addEventListener("change", () => choose(Number($("clip").value)));
$("choice").hidden = clips.length < 2;
choose(0);
