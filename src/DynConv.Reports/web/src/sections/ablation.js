import { h, section } from "../dom.js";
import { figure, signed, spread, whole } from "../format.js";
import { SortedTable } from "../table.js";

const mean = values => (values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : undefined);
const centre = of => (typeof of === "number" ? of : of?.mean ?? of?.median);

/** One grid of runs against its baseline. */
export function ablationSection(result, id) {
    const { content } = result;
    const rows = Array.isArray(content.rows) ? content.rows : [];
    const failures = rows.flatMap(row => failed(row).map(seed => `${row.name}, seed ${seed.seed}: ${seed.error}`));
    const reach = Math.max(...rows.flatMap(row => [centre(row.difference), row.difference?.min, row.difference?.max]).filter(Number.isFinite).map(Math.abs), 0);
    return section(id, `Ablation: ${content.name ?? result.name}`,
        content.baseline ? h("p", {}, `Differences are to ${content.baseline}; below zero is better. Spreads are over seeds.`) : null,
        new SortedTable(`Ablation ${content.name ?? result.name}`, [
            { title: "configuration", value: row => row.name, text: row => (row.name === content.baseline ? h("span", {}, row.name, h("small", {}, " baseline")) : row.name) },
            { title: "parameters", numeric: true, value: row => row.parameters, text: row => whole(row.parameters) },
            { title: "valid loss", numeric: true, value: row => centre(row.loss), text: row => spread(row.loss) },
            { title: "perplexity", numeric: true, value: row => centre(row.perplexity), text: row => spread(row.perplexity, value => figure(value, 3)) },
            { title: "difference", numeric: true, value: row => centre(row.difference), text: row => difference(row, content.baseline, reach) },
            { title: "tokens/s", numeric: true, value: speed, text: row => whole(speed(row)) },
            { title: "seeds", numeric: true, value: row => row.seeds?.length ?? 0, text: row => `${(row.seeds?.length ?? 0) - failed(row).length}${failed(row).length ? `, ${failed(row).length} failed` : ""}` },
        ]).setRows(rows).element,
        failures.length > 0 ? h("details", { open: true }, h("summary", {}, `${failures.length} failed`), h("ul", {}, ...failures.map(text => h("li", {}, text)))) : null);
}

function failed(row) {
    return (row.seeds ?? []).filter(seed => seed.error);
}

function speed(row) {
    return mean((row.seeds ?? []).map(seed => seed.tokens_per_second).filter(Number.isFinite));
}

/** The figure, and a bar with whiskers on the scale of the whole table. */
function difference(row, baseline, reach) {
    const value = centre(row.difference);
    if (row.name === baseline || !Number.isFinite(value)) {
        return row.name === baseline ? "0" : "–";
    }
    const { min = value, max = value } = row.difference;
    const at = x => `${50 + (x / (reach || 1)) * 48}%`;
    const width = (low, high) => `${(Math.abs(high - low) / (reach || 1)) * 48}%`;
    return h("span", { class: "difference", title: `${signed(min)} to ${signed(max)}` },
        signed(value),
        h("span", { class: "scale", "aria-hidden": "true" },
            h("i", { class: value < 0 ? "bar better" : "bar worse", style: `left: ${at(Math.min(0, value))}; width: ${width(0, value)}` }),
            h("i", { class: "whisker", style: `left: ${at(min)}; width: ${width(min, max)}` })));
}
