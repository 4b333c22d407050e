import { Chart } from "../chart.js";
import { h, section } from "../dom.js";
import { figure, power } from "../format.js";
import { SortedTable } from "../table.js";
import { hueOf } from "../theme.js";

const gridPoints = 80;

/** Loss against compute, the curves that were fitted to it, and what they say of the advantage. */
export function scalingSection(result, id) {
    const { content } = result;
    const architectures = Array.isArray(content.architectures) ? content.architectures : [];
    const all = architectures.flatMap(architecture => pointsOf(architecture));
    const parts = [];
    if (all.length > 0) {
        const bounds = [Math.min(...all.map(point => point.flops)), Math.max(...all.map(point => point.flops))];
        const chart = new Chart("Loss against compute", {
            x: { label: "training compute (FLOPs)", log: true, format: power },
            y: { label: "loss (nats a token)", log: true, format: value => figure(value, 3), precise: value => figure(value, 5) },
            height: 420,
        });
        chart.setLines(architectures.flatMap((architecture, index) => lines(architecture, index, bounds)));
        parts.push(
            h("p", {}, `Fitted: ${content.form ?? "L = E + A·C^−α"}${content.shared_floor === true ? ", with one E for all" : content.shared_floor === false ? ", each with its own E" : ""}.`),
            h("div", { class: "legend" }, ...architectures.map((architecture, index) =>
                h("span", {}, h("i", { class: "dot", style: `background: var(--hue-${hueOf(architecture.name, index)})` }), architecture.name))),
            chart.element);
    }
    parts.push(fitTable(result, architectures), advantageTable(result, content));
    return section(id, `Scaling: ${result.name}`, ...parts);
}

function pointsOf(architecture) {
    return (architecture.points ?? [])
        .filter(point => point.flops > 0 && point.loss > 0)
        .sort((a, b) => a.flops - b.flops);
}

function lines(architecture, index, [least, most]) {
    const points = pointsOf(architecture);
    const hue = hueOf(architecture.name, index);
    const out = [];
    const { E, A, alpha } = architecture;
    const band = (architecture.band ?? []).filter(at => at.flops > 0 && at.low > 0 && at.high > 0).sort((a, b) => a.flops - b.flops);
    if (band.length > 1) {
        out.push({
            name: architecture.name,
            hue,
            bandOnly: true,
            x: band.map(at => at.flops),
            y: band.map(at => Math.sqrt(at.low * at.high)),
            low: band.map(at => at.low),
            high: band.map(at => at.high),
        });
    }
    if ([E, A, alpha].every(Number.isFinite)) {
        const low = Math.min(least / 1.5, ...band.map(at => at.flops));
        const high = Math.max(most * 1.5, ...band.map(at => at.flops));
        const x = Array.from({ length: gridPoints }, (_, i) => low * (high / low) ** (i / (gridPoints - 1)));
        out.push({ name: `${architecture.name}, fitted`, hue, x, y: x.map(compute => E + A * compute ** -alpha) });
    }
    out.push({
        name: architecture.name,
        hue,
        marksOnly: true,
        x: points.map(point => point.flops),
        y: points.map(point => point.loss),
        notes: points.map(point => point.run ?? ""),
    });
    return out;
}

/** [low, high], {low, high} or nothing, as text. */
function interval(of, write) {
    const [low, high] = Array.isArray(of) ? of : [of?.low ?? of?.min, of?.high ?? of?.max];
    return Number.isFinite(low) && Number.isFinite(high) ? ` (${write(low)} to ${write(high)})` : "";
}

function constant(architecture, name, write) {
    const value = architecture[name];
    return Number.isFinite(value) ? `${write(value)}${interval(architecture.interval?.[name], write)}` : "–";
}

function fitTable(result, architectures) {
    const column = (name, title, write) => ({ title, numeric: true, value: row => row[name], text: row => constant(row, name, write) });
    return new SortedTable(`Constants of the fit, ${result.name}`, [
        { title: "architecture", value: row => row.name },
        column("E", "E", figure),
        column("A", "A", value => (value >= 1e4 ? power(value) : figure(value))),
        column("alpha", "α", figure),
        { title: "runs", numeric: true, value: row => pointsOf(row).length },
    ]).setRows(architectures).element;
}

function advantageTable(result, content) {
    const rows = Array.isArray(content.advantage) ? content.advantage : [];
    if (rows.length === 0) {
        return null;
    }
    const factor = value => (value === 0 ? "never" : Number.isFinite(value) ? `${figure(value, 3)}×` : "–");
    return h("div", {},
        h("p", {}, `Compute advantage: how many times the compute ${content.baseline ?? "the baseline"} needs for the same loss.`),
        new SortedTable(`Compute advantage, ${result.name}`, [
            { title: "architecture", value: row => row.architecture },
            { title: "advantage", numeric: true, value: row => row.factor, text: row => factor(row.factor) },
            { title: "from", numeric: true, value: row => row.low, text: row => factor(row.low) },
            { title: "to", numeric: true, value: row => row.high, text: row => factor(row.high) },
            { title: "at FLOPs", numeric: true, value: row => row.at_flops, text: row => power(row.at_flops) },
        ]).setRows(rows).element);
}
