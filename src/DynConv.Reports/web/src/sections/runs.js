import { h, section } from "../dom.js";
import { duration, figure, short, whole } from "../format.js";
import { hueCount, kindHues } from "../theme.js";
import { SortedTable } from "../table.js";

const last = values => values.at(-1);
const least = values => (values.length > 0 ? values.reduce((a, b) => Math.min(a, b)) : undefined);

const hues = new Map();

/**
 * A run's colour, the same everywhere on the page and for as long as it is open, whatever comes or goes: the first run of
 * a kind of convolution has the colour of that kind; all have it where there are more runs than colours.
 */
export function hueOfRun(runs, run) {
    if (!hues.has(run.name)) {
        assignHues(runs);
    }
    return hues.get(run.name);
}

function assignHues(runs) {
    const alike = runs.every(run => run.settings.conv === runs[0].settings.conv);
    const crowded = runs.length > hueCount;
    const fresh = runs.filter(run => !hues.has(run.name)).sort((a, b) => a.id - b.id);
    const used = hue => runs.filter(run => hues.get(run.name) === hue).length;
    for (const run of fresh) {
        const hue = alike ? undefined : kindHues[run.settings.conv];
        if (hue !== undefined && (crowded || used(hue) === 0)) {
            hues.set(run.name, hue);
        }
    }
    const all = Array.from({ length: hueCount }, (_, hue) => hue);
    for (const run of fresh.filter(run => !hues.has(run.name))) {
        hues.set(run.name, all.reduce((best, hue) => (used(hue) < used(best) ? hue : best)));
    }
}

function state(run) {
    return run.finished ? "finished" : run.running ? "running" : run.training.step.length > 0 ? "stopped" : "no step yet";
}

/** Says that losses a token do not compare, and what does. */
export function mixtureSentence(names) {
    return `These runs have different tokenizers (${names.join(", ")}): a token is not the same for all, so losses and perplexities do not compare; bits a byte do.`;
}

/** What runs call their tokenizers, where losses a token do not compare; null where they do. */
export function mixedTokenizers(runs) {
    // Two runs may name one tokenizer by two paths, and a folder that holds a log alone has no more than the name.
    const byIdentity = new Map(runs.map(run => [run.tokenizer ?? run.settings.tokenizer, run.settings.tokenizer]));
    const names = [...byIdentity.values()].filter(name => name !== undefined);
    return names.length > 1 ? names : null;
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
            { title: "state", value: state, text: run => h("span", { class: "run-state", "data-state": state(run) }, state(run)) },
        ]);
        this.mixture = h("p", { class: "hint" });
        this.element = section("runs", "Runs", this.table.element, this.mixture);
        this.update = data => {
            runs = data.runs;
            const names = mixedTokenizers(runs);
            this.mixture.textContent = names === null ? "" : mixtureSentence(names);
            this.table.setRows(runs);
        };
    }
}
