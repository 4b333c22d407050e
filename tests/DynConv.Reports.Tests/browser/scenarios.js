// What must be so of the page, seen from outside: by looking, hovering, dragging, typing.
import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const curves = "#curves .stage";

/** What a chart says that it shows. */
const shown = (page, stage = curves) => page.locator(stage).first().evaluate(element => ({
    lines: Number(element.dataset.lines),
    from: Number(element.dataset.from),
    to: Number(element.dataset.to),
    points: Number(element.dataset.points),
}));

/** Whether a chart's canvas has more than one colour on it. */
const isPainted = stage => stage.locator("canvas").evaluate(canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colors = new Set();
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 200) {
            colors.add(`${data[i]} ${data[i + 1]} ${data[i + 2]}`);
        }
    }
    return colors.size > 1;
});

async function plotOf(page, stage = curves) {
    const plot = page.locator(`${stage} .u-over`).first();
    await plot.scrollIntoViewIfNeeded();
    return plot.boundingBox();
}

async function hoverAt(page, stage, share) {
    const box = await plotOf(page, stage);
    await page.mouse.move(box.x + box.width * share, box.y + box.height / 2);
    await page.locator(`${stage} .tip`).first().waitFor();
    return page.locator(`${stage} .tip`).first().innerText();
}

async function dragAcross(page, from, to) {
    const box = await plotOf(page);
    await page.mouse.move(box.x + box.width * from, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * (from + to) / 2, box.y + box.height / 2);
    await page.mouse.move(box.x + box.width * to, box.y + box.height / 2);
    await page.mouse.up();
}

const columnOf = (page, table, index) =>
    page.locator(`${table} tbody tr`).evaluateAll((rows, at) => rows.map(row => row.children[at].innerText), index);

export const scenarios = {
    async charts(page) {
        const stages = await page.locator(".stage").all();
        assert.equal(stages.length, 4, "curves, two of recall, scaling");
        for (const stage of stages) {
            assert.ok(await isPainted(stage), await stage.getAttribute("aria-label"));
        }
        assert.equal((await shown(page)).lines, 4, "training and validation of two runs");
        assert.equal((await shown(page, "#recall-1 .stage")).lines, 3);
        assert.equal((await shown(page, "#scaling-1 .stage")).lines, 5, "points and fits, and an interval of one");
        assert.deepEqual(await page.locator("h2").allInnerTexts(), ["Runs", "Curves", "Ablation: rank", "Recall: recall", "Scaling: scaling", "Configuration"]);
        const text = await page.locator("body").innerText();
        assert.match(text, /low-rank R=16, seed 1: The loss is NaN\./);
        assert.match(text, /3\.30×/);
        assert.match(text, /0\.120 \(0\.110 to 0\.130\)/);
        assert.doesNotMatch(text, /NaN[^.]|undefined|null|Infinity/);
    },

    async hover(page) {
        const tip = await hoverAt(page, curves, 0.5);
        assert.match(tip, /step (199|20\d)/);
        assert.match(tip, /runs\/lowrank, training\s+2\.\d{4}/);
        assert.match(tip, /runs\/none, validation\s+2\.\d{4}\s+at 210/);
        const recall = await hoverAt(page, "#recall-1 .stage", 0.99);
        assert.match(recall, /pairs 8/);
        assert.match(recall, /lowrank\s+98\.0 %\s+97\.0 % to 99\.0 %/);
        const scaling = await hoverAt(page, "#scaling-1 .stage", 0.5);
        assert.match(scaling, /lowrank, fitted\s+2\.\d{4}/);
        await page.mouse.move(1, 1);
        await page.locator("#scaling-1 .tip").waitFor({ state: "hidden" });
    },

    async zoom(page) {
        const whole = await shown(page);
        assert.deepEqual([whole.from, whole.to], [0, 400]);
        await dragAcross(page, 0.25, 0.5);
        const near = await shown(page);
        assert.ok(Math.abs(near.from - 100) < 3 && Math.abs(near.to - 200) < 3, JSON.stringify(near));
        assert.ok(near.points < whole.points);
        await page.getByRole("button", { name: "Show all" }).first().click();
        assert.deepEqual(await shown(page), whole);
        await page.getByRole("button", { name: "Zoom in" }).first().click();
        assert.ok((await shown(page)).to - (await shown(page)).from < 250);
        await page.locator(`${curves} .u-over`).dblclick();
        assert.deepEqual(await shown(page), whole);
        await page.getByRole("button", { name: "Zoom out" }).first().click();
        assert.deepEqual(await shown(page), whole, "there is no more than all");
    },

    async tools(page) {
        await page.locator("#curves").getByLabel("against").selectOption("tokens");
        assert.equal((await shown(page)).to, 400 * 4096);
        assert.match(await hoverAt(page, curves, 0.5), /tokens 8\d\d,\d{3}/);
        await page.locator("#curves").getByLabel("against").selectOption("seconds");
        assert.equal((await shown(page)).to, 200);
        assert.match(await hoverAt(page, curves, 0.5), /time 2 min/);
        await page.locator("#curves").getByLabel("Measure").selectOption("gradient_norm");
        assert.match(await hoverAt(page, curves, 0.5), /1\.500/);
        await page.locator("#curves").getByLabel("Measure").selectOption("loss");
        await page.locator("#curves").getByLabel("log scale").check();
        await page.locator("#curves").getByLabel("Smoothing").fill("2");
        assert.ok(await isPainted(page.locator(curves)));
        await page.locator("#curves").getByLabel("validation").uncheck();
        assert.equal((await shown(page)).lines, 2);
        const legend = page.locator("#curves .legend button", { hasText: "runs/none" });
        await legend.click();
        assert.equal(await legend.getAttribute("aria-pressed"), "false");
        assert.equal((await shown(page)).lines, 1);
        await legend.click({ modifiers: ["Shift"] });
        assert.doesNotMatch(await hoverAt(page, curves, 0.3), /lowrank/);
    },

    async sort(page) {
        const table = "#ablation-1 table";
        const header = page.locator(`${table} thead button`, { hasText: "valid loss" });
        await header.click();
        assert.deepEqual(await columnOf(page, table, 0), ["low-rank R=16", "none baseline"]);
        assert.equal(await page.locator(`${table} th[aria-sort]`).getAttribute("aria-sort"), "ascending");
        await header.click();
        assert.deepEqual(await columnOf(page, table, 0), ["none baseline", "low-rank R=16"]);
        assert.equal(await page.locator(`${table} th[aria-sort]`).getAttribute("aria-sort"), "descending");
        await page.locator(`${table} thead button`, { hasText: "difference" }).focus();
        await page.keyboard.press("Enter");
        await page.keyboard.press("Enter");
        assert.deepEqual(await columnOf(page, table, 0), ["low-rank R=16", "none baseline"], "what has no value stands last");
        await page.locator("#runs thead button", { hasText: "steps" }).click();
        assert.deepEqual(await columnOf(page, "#runs table", 0), ["runs/none", "runs/lowrank"]);
        assert.deepEqual(await columnOf(page, "#settings > .scroll table", 1), ["lowrank", "none"]);
    },

    async crowd(page) {
        const colors = await page.locator("#curves .legend button").evaluateAll(buttons =>
            buttons.map(button => `${button.textContent.split("-")[0]} ${getComputedStyle(button.querySelector(".dot")).backgroundColor}`));
        assert.equal(colors.length, 12);
        assert.equal(new Set(colors).size, 3, "all runs of a kind have its colour");
        assert.equal(new Set(colors.map(color => color.split(" ").slice(1).join(" "))).size, 3);
    },

    async keyboard(page) {
        const stage = page.locator(curves);
        await page.locator("#curves .legend button").last().focus();
        await page.keyboard.press("Tab");
        assert.ok(await stage.evaluate(element => document.activeElement === element), "the chart comes after its legend");
        await page.keyboard.press("ArrowRight");
        const first = await page.locator(`${curves} .tip`).innerText();
        await page.keyboard.press("Shift+ArrowRight");
        assert.notEqual(await page.locator(`${curves} .tip`).innerText(), first);
        await page.keyboard.press("+");
        assert.ok((await shown(page)).to - (await shown(page)).from < 250);
        await page.keyboard.press("0");
        assert.equal((await shown(page)).to, 400);
        await page.keyboard.press("Escape");
        await page.locator(`${curves} .tip`).waitFor({ state: "hidden" });
    },

    async phone(page) {
        await page.setViewportSize({ width: 390, height: 844 });
        await page.waitForFunction(() => document.querySelector("#curves canvas")?.getBoundingClientRect().width < 390);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, "nothing sticks out");
        for (const stage of await page.locator(".stage").all()) {
            assert.ok(await isPainted(stage));
            assert.ok((await stage.locator("canvas").boundingBox()).width <= 390);
        }
        const runs = page.locator("#runs tbody tr");
        const titles = await runs.first().locator("td").evaluateAll(cells => cells.map(cell => getComputedStyle(cell, "::before").content));
        for (const title of ["valid loss", "bits/byte", "state"]) {
            assert.ok(titles.includes(`"${title}"`), "each figure stands under what it is");
        }
        for (const cell of await runs.locator("th, td").all()) {
            const box = await cell.boundingBox();
            assert.ok(box.x >= 0 && box.x + box.width <= 390, JSON.stringify(box));
        }
        await page.locator("#runs thead button", { hasText: "steps" }).click();
        assert.match(await runs.first().innerText(), /runs\/none/, "and can be sorted by");
        const tip = page.locator(`${curves} .tip`);
        for (const share of [0.02, 0.5, 0.98]) {
            await hoverAt(page, curves, share);
            const box = await tip.boundingBox();
            assert.ok(box.x >= 0 && box.x + box.width <= 391, JSON.stringify(box));
        }
    },

    async theme(page) {
        const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await background();
        await page.emulateMedia({ colorScheme: "dark" });
        await page.locator("html[data-theme=dark]").waitFor();
        assert.notEqual(await background(), light, "follows the system");
        await page.getByRole("button", { name: "Light theme" }).click();
        assert.equal(await background(), light, "and the switch overrides it");
        await page.reload();
        assert.equal(await background(), light, "and is remembered");
        assert.ok(await isPainted(page.locator(curves)));
    },

    async print(page) {
        await page.emulateMedia({ media: "print" });
        assert.ok(!await page.locator(".theme").isVisible());
        assert.ok(!await page.locator("#curves .tools").isVisible());
        assert.ok((await page.pdf()).length > 20_000);
    },

    async long(page) {
        const before = await shown(page);
        assert.equal(before.to, 100_000);
        assert.ok(before.points < 20_000, `${before.points} points are drawn`);
        const times = [];
        for (const [from, to] of [[0.2, 0.8], [0.1, 0.6], [0.3, 0.9], [0.2, 0.4]]) {
            times.push(await timed(() => dragAcross(page, from, to)));
        }
        const near = await shown(page);
        assert.ok(near.to - near.from < 4_000, JSON.stringify(near));
        times.push(await timed(() => page.getByRole("button", { name: "Show all" }).click()));
        times.push(await timed(() => page.locator("#curves").getByLabel("Measure").selectOption("gradient_norm")));
        times.push(await timed(() => page.locator("#curves").getByLabel("Measure").selectOption("loss")));
        times.push(await timed(() => page.locator("#curves").getByLabel("Smoothing").fill("2")));
        times.push(await timed(() => hoverAt(page, curves, 0.4)));
        times.sort((a, b) => a - b);
        console.log(`milliseconds: ${times.map(Math.round).join(" ")}`);
        // Some 50 on an idle machine; a page that redraws every point takes minutes.
        assert.ok(times.at(-1) < 20_000, `milliseconds: ${times.map(Math.round).join(" ")}`);
    },

    async units(page) {
        assert.match(await page.locator("#runs .hint").innerText(), /different tokenizers \(bytes, (bpe\.json|runs\/words)\)/);
        assert.match(await page.locator("#curves").innerText(), /bits a byte do/);
        await page.locator("#curves").getByLabel("Measure").selectOption("bits_per_byte");
        assert.equal((await shown(page)).lines, 6);
        assert.doesNotMatch(await page.locator("#curves").innerText(), /different tokenizers/);
        assert.match(await hoverAt(page, curves, 0.99), /validation\s+2\.0000/);
        await page.locator("#curves .legend button").filter({ hasText: "bytes" }).click();
        await page.locator("#curves").getByLabel("Measure").selectOption("loss");
        assert.doesNotMatch(await page.locator("#curves").innerText(), /different tokenizers/, "one run is no mixture");
    },

    async odd(page) {
        const text = await page.locator("main").innerText();
        assert.match(text, /rows\[0\] is null/);
        assert.match(text, /recall\.json of strange holds something that no command of dynconv writes there/);
        assert.deepEqual(await page.locator("h2").allInnerTexts(), ["Runs", "Curves", "Ablation: odd", "Recall: strange", "Configuration"]);
        assert.ok(await isPainted(page.locator(curves)));
    },

    async little(page) {
        const text = await page.locator("body").innerText();
        assert.match(text, /2 runs/);
        assert.match(text, /no step yet/);
        assert.equal((await shown(page)).lines, 2);
    },

    async live(page, folder, complaints) {
        const log = join(folder, "run", "metrics.jsonl");
        const line = (step, loss) => `${JSON.stringify({ step, loss, learning_rate: 1, gradient_norm: 1, tokens: step, tokens_per_second: 1, seconds: step })}\n`;
        const reaches = step => page.waitForFunction(to => Number(document.querySelector("#curves .stage")?.dataset.to) === to, step);
        await reaches(50);
        assert.equal(await page.locator(".state").innerText(), "live");
        assert.equal(await page.locator("#runs [data-state=running]").count(), 1);
        const colors = () => page.locator("#curves .legend button").evaluateAll(buttons =>
            Object.fromEntries(buttons.map(button => [button.textContent, getComputedStyle(button.querySelector(".dot")).backgroundColor])));
        const before = await colors();
        await mkdir(join(folder, "another"));
        await writeFile(join(folder, "another", "metrics.jsonl"), line(1, 3) + line(2, 2));
        await page.waitForFunction(() => document.querySelectorAll("#curves .legend button").length === 2);
        const after2 = await colors();
        assert.equal(after2.run, before.run, "a new run takes no other's colour");
        assert.notEqual(after2.another, after2.run);
        await appendFile(log, line(51, 2) + line(52, 2) + '{"step":53,"lo');
        await reaches(52);
        await appendFile(log, 'ss":3}\n');
        await reaches(53);
        await dragAcross(page, 0.2, 0.6);
        const zoomed = await shown(page);
        const lines = (await readFile(log, "utf8")).split("\n").slice(0, 20);
        await writeFile(log, `${lines.join("\n")}\n${line(900, 1.5)}`);
        await page.waitForFunction(() => document.querySelector("#runs tbody")?.innerText.includes("900"));
        const after = await shown(page);
        assert.deepEqual([after.from, after.to], [zoomed.from, zoomed.to], "the zoom stays");
        await page.getByRole("button", { name: "Show all" }).click();
        assert.equal((await shown(page)).to, 900);
        await writeFile(join(folder, "ablation.json"), '{"name":"late","rows":[]}');
        await page.locator("h2", { hasText: "Ablation: late" }).waitFor();
        await writeFile(log, "nonsense\n");
        await page.locator(".problems p", { hasText: "line 1 is not a line of metrics" }).waitFor();
        await page.route("**/data*", route => route.abort());
        await page.locator(".state[data-state=lost]").waitFor();
        await page.unroute("**/data*");
        await page.locator(".state[data-state=live]").waitFor();
        complaints.splice(0, complaints.length, ...complaints.filter(text => !text.includes("ERR_FAILED")));
    },
};

async function timed(action) {
    const start = performance.now();
    await action();
    return performance.now() - start;
}
