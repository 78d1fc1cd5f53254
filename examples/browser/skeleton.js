/** The 25 joints of NTU RGB+D, to which all layouts are mapped. */

/** The parent of each joint; the base of the spine is its own parent. */
export const PARENTS = [
  0, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 6, 11, 10,
];

/** Every joint except the base of the spine; parents come first. */
export const FROM_ROOT = [
  1, 12, 16, 13, 17, 20, 2, 4, 8, 14, 18, 3, 5, 9, 15, 19, 6, 10, 7, 22, 11, 24, 21, 23,
];

/** Meters from its parent to each joint of a standard adult of 1.75 m. */
export const STANDARD_LENGTHS = [
  0, 0.25, 0.08, 0.12, 0.18, 0.28, 0.25, 0.07, 0.18, 0.28, 0.25, 0.07, 0.09, 0.4, 0.38, 0.1,
  0.09, 0.4, 0.38, 0.1, 0.25, 0.05, 0.05, 0.05, 0.05,
];

/** Pairs of joints that span the body from left to right: the shoulders and the hips. */
export const SIDES = [[4, 8], [12, 16]];

export const HEAD = 3;
export const JOINTS = PARENTS.length;

/** Which side of the body a joint is on: `left`, `right` or `middle`. */
export function sideOf(joint) {
  if ([4, 5, 6, 7, 12, 13, 14, 15, 21, 22].includes(joint)) return "left";
  return [8, 9, 10, 11, 16, 17, 18, 19, 23, 24].includes(joint) ? "right" : "middle";
}
