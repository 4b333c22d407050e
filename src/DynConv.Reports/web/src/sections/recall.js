import { Chart } from "../chart.js";
import { choice, h, section } from "../dom.js";
import { percent, short, whole } from "../format.js";
import { median } from "../series.js";
import { SortedTable } from "../table.js";
import { hueOf } from "../theme.js";

const unique = values => [...new Set(values)];
const share = { format: value => `${Math.round(value * 100)} %`, precise: percent, range: [-0.02, 1.03], ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };

/** Accuracy by number of pairs and by step, for each task of one experiment. */
export function recallSection(result, id) {
    const rows = (Array.isArray(result.content) ? result.content : []).filter(row => typeof row?.accuracy === "number");
    const tasks = unique(rows.map(row => row.task));
    return section(id, `Recall: ${result.name}`, ...tasks.map(task => taskPart(task, rows.filter(row => row.task === task))));
}

function taskPart(task, rows) {
    const kinds = unique(rows.map(row => row.conv));
    const pairs = unique(rows.map(row => row.pairs)).sort((a, b) => a - b);
    const summary = rows[0].configuration?.task?.summary;
    const groups = kinds.flatMap(conv => pairs.map(count => group(conv, count, rows))).filter(group => group.seeds > 0);
    return h("article", {},
        h("h3", {}, task),
        summary ? h("p", {}, `${summary[0].toUpperCase()}${summary.slice(1)}.`) : null,
        h("div", { class: "pair" }, accuracyChart(task, kinds, pairs, groups), learningChart(task, kinds, pairs, rows)),
        new SortedTable(`Accuracy, ${task}`, [
            { title: "convolution", value: row => row.conv },
            ...pairs.map((count, index) => ({
                title: count === 1 ? "1 pair" : `${count} pairs`,
                numeric: true,
                hint: "median over seeds, with their range",
                value: row => row.groups[index].median,
                text: row => accuracy(row.groups[index]),
            })),
            { title: "seeds", numeric: true, value: row => row.seeds, text: row => `${row.seeds}${row.diverged ? `, ${row.diverged} diverged` : ""}` },
            { title: "learning rate", numeric: true, value: row => row.learningRate, text: row => String(row.learningRate ?? "–") },
            { title: "parameters", numeric: true, value: row => row.parameters, text: row => whole(row.parameters) },
        ]).setRows(kinds.map(conv => kindRow(conv, pairs, rows))).element);
}

/** A kind's line of the table. */
function kindRow(conv, pairs, rows) {
    const own = rows.filter(row => row.conv === conv);
    return {
        conv,
        groups: pairs.map(count => group(conv, count, rows)),
        seeds: unique(own.map(row => row.seed)).length,
        diverged: unique(own.filter(row => row.diverged).map(row => row.seed)).length,
        learningRate: own[0].learning_rate,
        parameters: own[0].parameters,
    };
}

function accuracy({ seeds, median, least, most }) {
    const points = value => (value * 100).toFixed(1);
    return seeds === 0 ? "–" : seeds === 1 ? percent(median) : `${percent(median)} (${points(least)}–${points(most)})`;
}

function group(conv, pairs, rows) {
    const seeds = rows.filter(row => row.conv === conv && row.pairs === pairs);
    const accuracies = seeds.map(row => row.accuracy);
    return {
        conv,
        pairs,
        seeds: seeds.length,
        median: median(accuracies),
        least: Math.min(...accuracies),
        most: Math.max(...accuracies),
    };
}

function keyOf(kinds) {
    return h("div", { class: "legend" }, ...kinds.map((kind, index) =>
        h("span", {}, h("i", { class: "dot", style: `background: var(--hue-${hueOf(kind, index)})` }), kind)));
}

function accuracyChart(task, kinds, pairs, groups) {
    const chart = new Chart(`Accuracy against the number of pairs, ${task}`, {
        x: { label: "pairs", log: pairs.length > 1, ticks: pairs, format: String },
        y: { label: "accuracy", ...share },
        height: 300,
    });
    chart.setLines(kinds.map((conv, index) => {
        const own = groups.filter(group => group.conv === conv);
        return {
            name: conv,
            hue: hueOf(conv, index),
            points: true,
            x: own.map(group => group.pairs),
            y: own.map(group => group.median),
            low: own.map(group => group.least),
            high: own.map(group => group.most),
            notes: own.map(group => (group.seeds > 1 ? `${percent(group.least)} to ${percent(group.most)}` : "one seed")),
        };
    }));
    return h("div", {}, h("h4", {}, "Median over seeds, with their range"), keyOf(kinds), chart.element);
}

function learningChart(task, kinds, pairs, rows) {
    const curves = rows.filter(row => Array.isArray(row.curve) && row.curve.length > 0);
    if (curves.length === 0) {
        return null;
    }
    const chart = new Chart(`Accuracy against steps, ${task}`, {
        x: { label: "step", format: short, precise: whole },
        y: { label: "accuracy", ...share },
        height: 300,
    });
    const show = count => chart.setLines(curves.filter(row => row.pairs === count).map(row => ({
        name: `${row.conv}, seed ${row.seed}`,
        hue: hueOf(row.conv, kinds.indexOf(row.conv)),
        x: row.curve.map(point => point.step),
        y: row.curve.map(point => point.accuracy),
    })));
    show(pairs.at(-1));
    const options = pairs.map(count => [String(count), String(count)]);
    return h("div", {},
        h("h4", {}, "While learning, a line a seed"),
        h("div", { class: "tools" }, choice("Pairs", options, String(pairs.at(-1)), value => show(Number(value)))),
        chart.element);
}
