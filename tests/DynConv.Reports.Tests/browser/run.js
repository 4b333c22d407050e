// node run.js SCENARIO ADDRESS FOLDER: opens the page in Chromium and runs a scenario; the console must stay clean.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { scenarios } from "./scenarios.js";

const [, , name, address, folder] = process.argv;
const profile = await mkdtemp(join(tmpdir(), "dynconv-chromium-"));
const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM,
    headless: true,
    viewport: { width: 1440, height: 900 },
    colorScheme: "light",
    args: [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ],
});
const complaints = [];
try {
    const page = context.pages()[0] ?? await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("console", message => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
    page.on("pageerror", error => complaints.push(error.stack));
    page.on("request", request => request.url().startsWith(address) || /^(data|blob):/.test(request.url()) || complaints.push(`asked for ${request.url()}`));
    await page.goto(address);
    await scenarios[name](page, folder, complaints);
} catch (error) {
    complaints.push(error.stack);
} finally {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
}
complaints.forEach(complaint => console.error(complaint));
process.exitCode = complaints.length > 0 ? 1 : 0;
