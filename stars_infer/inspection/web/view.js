// The page of `stars view`: one clip, or two in time alignment, and what differs.

import { Player } from "./player.js";

const { clips, alignment } = JSON.parse(document.getElementById("data").textContent);
const player = new Player(document.getElementById("player"), { keys: document });
player.show(clips, alignment);
for (const button of document.querySelectorAll("[data-at]"))
  button.addEventListener("click", () => player.seekFirst(Number(button.dataset.at)));
