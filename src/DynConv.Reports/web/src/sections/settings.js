import { h, section } from "../dom.js";
import { SortedTable } from "../table.js";

/** What is not the same in all runs; and, folded away, what is. */
export class SettingsSection {
    constructor() {
        this.element = section("settings", "Configuration");
        this.shown = "";
    }

    update(data) {
        const runs = data.runs.filter(run => Object.keys(run.settings).length > 0);
        const shown = JSON.stringify(runs.map(run => [run.name, run.settings]));
        if (shown === this.shown) {
            return;
        }
        this.shown = shown;
        const keys = [...new Set(runs.flatMap(run => Object.keys(run.settings)))];
        const differs = key => runs.some(run => run.settings[key] !== runs[0].settings[key]);
        const different = keys.filter(differs);
        const same = keys.filter(key => !differs(key));
        this.element.replaceChildren(
            this.element.firstChild,
            different.length > 0 ? differences(different, runs)
                : h("p", {}, runs.length > 1 ? "All runs have the same configuration." : ""),
            h("details", { open: different.length === 0 },
                h("summary", {}, runs.length > 1 ? `${same.length} settings that all runs share` : "Settings"),
                new SortedTable("Shared settings", [
                    { title: "setting", value: key => key },
                    { title: "value", value: key => runs[0].settings[key] },
                ]).setRows(same).element));
    }
}

function differences(keys, runs) {
    return new SortedTable("Settings that differ between runs", [
        { title: "run", value: run => run.name },
        ...keys.map(key => ({ title: key, numeric: runs.every(run => isNumber(run.settings[key])), value: run => ordered(run.settings[key]), text: run => run.settings[key] ?? "–" })),
    ]).setRows(runs).element;
}

function isNumber(text) {
    return text === undefined || text !== "" && Number.isFinite(Number(text));
}

function ordered(text) {
    return text !== undefined && isNumber(text) ? Number(text) : text;
}
