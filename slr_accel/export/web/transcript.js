// Shows glosses: committed ones stay, provisional ones follow and may change; a sentence a line.

const KEPT = 100; // sentences

export class Transcript {
  constructor(element) {
    this.element = element;
    this.clear();
  }

  clear() {
    this.element.replaceChildren();
    this.sentence = null;
  }

  add({ committed, provisional, atRest }) {
    if (!this.sentence && (committed.length || provisional.length)) {
      this.sentence = document.createElement("p");
      this.element.prepend(this.sentence);
      while (this.element.children.length > KEPT) this.element.lastChild.remove();
    }
    this.sentence?.querySelectorAll(".provisional").forEach((old) => old.remove());
    this.sentence?.append(
      ...committed.map((word) => gloss(word, "committed")),
      ...provisional.map((word) => gloss(word, "provisional")),
    );
    if (!atRest) return;
    if (this.sentence && !this.sentence.children.length) this.sentence.remove();
    this.sentence = null;
  }
}

function gloss({ text, time, confidence }, kind) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  element.title = `${time.toFixed(2)} s, confidence ${Math.round(100 * confidence)} %`;
  if (kind === "provisional") element.ariaHidden = "true"; // it changes too fast to be read out
  if (kind === "committed") {
    const share = document.createElement("small");
    share.textContent = `${Math.round(100 * confidence)} %`;
    element.append(share);
  }
  return element;
}
