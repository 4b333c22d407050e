import { h, section } from "../dom.js";
import { duration, figure, short, whole } from "../format.js";
import { hueCount, kindHues } from "../theme.js";
import { SortedTable } from "../table.js";

const last = values => values.at(-1);
const least = values => (values.length > 0 ? values.reduce((a, b) => Math.min(a, b)) : undefined);

const hues = new WeakMap();

/**
 * A run's colour, the same everywhere on the page: the first run of a kind of convolution has the colour of that kind;
 * all have it where there are more runs than colours.
 */
export function hueOfRun(runs, run) {
    if (!hues.has(runs)) {
        hues.set(runs, assignHues(runs));
    }
    return hues.get(runs).get(run);
}

function assignHues(runs) {
    const taken = new Map();
    const alike = runs.every(run => run.settings.conv === runs[0].settings.conv);
    const crowded = runs.length > hueCount;
    for (const run of runs) {
        const hue = alike ? undefined : kindHues[run.settings.conv];
        if (hue !== undefined && (crowded || ![...taken.values()].includes(hue))) {
            taken.set(run, hue);
        }
    }
    const free = Array.from({ length: hueCount }, (_, hue) => hue).filter(hue => ![...taken.values()].includes(hue));
    let next = 0;
    for (const run of runs.filter(run => !taken.has(run))) {
        taken.set(run, free.length > 0 ? free[next++ % free.length] : next++ % hueCount);
    }
    return taken;
}

function state(run) {
    return run.finished ? "finished" : run.training.step.length > 0 ? "unfinished" : "no step yet";
}

/** All runs with the figures that they ended with. */
export class RunsSection {
    constructor() {
        let runs = [];
        this.table = new SortedTable("Runs", [
            {
                title: "run",
                value: run => run.name,
                text: run => h("span", {}, h("i", { class: "dot", style: `background: var(--hue-${hueOfRun(runs, run)})` }), run.name),
            },
            { title: "convolution", value: run => run.settings.conv },
            { title: "parameters", numeric: true, value: run => run.parameters, text: run => short(run.parameters) },
            { title: "steps", numeric: true, value: run => last(run.training.step), text: run => `${whole(last(run.training.step))}${run.steps && !run.finished ? ` / ${whole(run.steps)}` : ""}` },
            { title: "tokens", numeric: true, value: run => last(run.training.tokens), text: run => short(last(run.training.tokens)) },
            { title: "valid loss", numeric: true, hint: "of the last validation", value: run => last(run.validation.loss), text: run => figure(last(run.validation.loss)) },
            { title: "best", numeric: true, hint: "least validation loss", value: run => least(run.validation.loss), text: run => figure(least(run.validation.loss)) },
            { title: "perplexity", numeric: true, value: run => last(run.validation.perplexity), text: run => figure(last(run.validation.perplexity)) },
            { title: "bits/byte", numeric: true, value: run => last(run.validation.bits_per_byte), text: run => figure(last(run.validation.bits_per_byte)) },
            { title: "tokens/s", numeric: true, value: run => last(run.training.tokens_per_second), text: run => whole(last(run.training.tokens_per_second)) },
            { title: "time", numeric: true, value: run => last(run.training.seconds), text: run => duration(last(run.training.seconds)) },
            { title: "state", value: state },
        ]);
        this.element = section("runs", "Runs", this.table.element);
        this.update = data => {
            runs = data.runs;
            this.table.setRows(runs);
        };
    }
}
