// The page of `stars report`: players of the clips that are hardest to name, still until played.

import { Player } from "./player.js";

const pairs = JSON.parse(document.getElementById("data").textContent);
const players = [...document.querySelectorAll("[data-pair]")].map((root) => {
  const { clips, alignment, at } = pairs[Number(root.dataset.pair)];
  const player = new Player(root, { playing: false });
  player.show(clips, alignment);
  if (at !== undefined) player.seekFirst(at);
  return player;
});
// On paper, each shows the moment at which it stands.
window.addEventListener("beforeprint", () => players.forEach((player) => player.draw()));
