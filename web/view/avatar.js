const TONES = 6;

/** Dresses `node` as the round picture of `name`: its first character on one of a few colours. */
export function drawAvatar(node, name) {
  node.textContent = [...new Intl.Segmenter().segment(name)][0]?.segment.toUpperCase() ?? '';
  let sum = 0;
  for (const character of name) sum += character.codePointAt(0);
  node.dataset.tone = sum % TONES;
}
