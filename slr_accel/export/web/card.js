// The model's card: what was trained, how well it reads, and how the page uses it.

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** [name, text] of the rows of the card. */
export function cardRows({ manifest, file }) {
  const { figures, web } = manifest;
  const form = file === manifest.files.int8 ? chosenInt8(figures) : figures.fp32;
  const seconds = (frames) => (frames / web.frames_per_second).toFixed(2);
  const { chunk, look_ahead: ahead } = web.streaming;
  const rows = [
    ["Model", `${manifest.model_type}, ${form.mb.toFixed(1)} MB (${file})`],
    ["Vocabulary", `${manifest.vocabulary.length} glosses`],
  ];
  if (form.wer !== undefined) {
    const { split } = manifest.checked_on;
    rows.push(["Word error rate", `${percent(form.wer)} on ${split}, whole recordings`]);
  }
  const known = manifest.frames_per_second ? "" : ", assumed: training did not know it";
  return [
    ...rows,
    ["Frame rate", `${web.frames_per_second} a second${known}`],
    ["Output", `every ${manifest.output_stride} frames (${seconds(manifest.output_stride)} s)`],
    ["Reads", `every ${chunk} frames (${seconds(chunk)} s)`],
    ["Commits", `when ${ahead} frames (${seconds(ahead)} s) have followed`],
    ["Landmarks", manifest.layout.blocks.map(points).join(", ")],
    ["Licence", manifest.licence ?? "not given"],
    ["Made by", `slr_accel ${manifest.slr_accel}`],
  ];
}

const points = (block) => `${block.name.replaceAll("_", " ")} ${block.points.length}`;

function chosenInt8(figures) {
  return Object.values(figures).find((form) => form.chosen);
}

/** Fills a <dl> with rows [name, text]. */
export function fill(list, rows) {
  list.replaceChildren(
    ...rows.map(([name, text]) => {
      const row = document.createElement("div");
      for (const [kind, words] of [["dt", name], ["dd", text]]) {
        row.append(Object.assign(document.createElement(kind), { textContent: words }));
      }
      return row;
    }),
  );
}
