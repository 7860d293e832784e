import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { AmsError } from "../../../src/errors.js";
import { findWeights, hubCache, hubModels } from "../../../src/model/weights/hub.js";

const cache = mkdtempSync(path.join(tmpdir(), "ams-hub-"));
after(() => {
  rmSync(cache, { recursive: true });
});

/** As huggingface_hub lays a download out: blobs by hash, links to them in a snapshot, refs that name the commit. */
function download(model: string, commit: string, refs: string[]): string {
  const folder = path.join(cache, `models--${model.replace("/", "--")}`);
  const snapshot = path.join(folder, "snapshots", commit);
  mkdirSync(path.join(folder, "blobs"), { recursive: true });
  mkdirSync(path.join(folder, "refs"), { recursive: true });
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(path.join(folder, "blobs", `blob-${commit}`), "{}");
  symlinkSync(path.join("..", "..", "blobs", `blob-${commit}`), path.join(snapshot, "config.json"));
  for (const ref of refs) writeFileSync(path.join(folder, "refs", ref), commit);
  return snapshot;
}

function refusal(message: RegExp, hint: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    assert.match(error.where ?? "", /--vision/);
    return true;
  };
}

describe("the hub's cache", () => {
  const main = download("google/vit-base-patch16-384", "2960116a5c9f0e4d", ["main"]);
  const pull = download("google/vit-base-patch16-384", "78910aaaaaaabbbb", ["v2"]);
  const bert = download("google-bert/bert-base-uncased", "86b5e0934494bd15", ["main"]);

  test("a name is the snapshot that refs/main names", () => {
    assert.equal(findWeights("google/vit-base-patch16-384", "--vision", cache), main);
  });

  test("a revision is another ref, a commit, or its beginning", () => {
    assert.equal(findWeights("google/vit-base-patch16-384@v2", "--vision", cache), pull);
    assert.equal(findWeights("google/vit-base-patch16-384@78910aaaaaaabbbb", "--vision", cache), pull);
    assert.equal(findWeights("google/vit-base-patch16-384@78910aa", "--vision", cache), pull);
  });

  test("a name without its owner is found where it is the only one", () => {
    assert.equal(findWeights("bert-base-uncased", "--vision", cache), bert);
    download("someone/bert-base-uncased", "1111111111111111", ["main"]);
    assert.throws(
      () => findWeights("bert-base-uncased", "--vision", cache),
      refusal(/several models/, /google-bert\/bert-base-uncased, someone/),
    );
    const exact = download("bert-base-uncased", "2222222222222222", ["main"]);
    assert.equal(findWeights("bert-base-uncased", "--vision", cache), exact);
  });

  test("without refs the newest snapshot counts", () => {
    const old = download("a/b", "aaaaaaaaaaaaaaaa", []);
    const young = download("a/b", "bbbbbbbbbbbbbbbb", []);
    utimesSync(old, 1, 1);
    assert.equal(findWeights("a/b", "--vision", cache), young);
  });

  test("a path stays itself", () => {
    assert.equal(findWeights(cache, "--vision", path.join(cache, "nowhere")), cache);
  });

  test("what is not there says how to get it", () => {
    assert.throws(
      () => findWeights("google/vit-huge", "--vision", cache),
      refusal(/no model "google\/vit-huge"/, /hf download google\/vit-huge/),
    );
    assert.throws(
      () => findWeights("./no/such/folder", "--vision", cache),
      refusal(/no file or folder/, /check the path/),
    );
    assert.throws(
      () => findWeights("google/vit-base-patch16-384@v9", "--vision", cache),
      refusal(/not its revision v9/, /2960116a5c9f0e4d, 78910aaaaaaabbbb/),
    );
    mkdirSync(path.join(cache, "models--empty--one"));
    assert.throws(() => findWeights("empty/one", "--vision", cache), refusal(/without its files/, /hf download/));
  });

  test("its models are listed for Tab", () => {
    assert.ok(hubModels(cache).includes("google/vit-base-patch16-384"));
    assert.deepEqual(hubModels(path.join(cache, "nowhere")), []);
  });

  test("its place follows the variables of huggingface_hub", () => {
    assert.equal(hubCache({ HF_HUB_CACHE: "/a", HF_HOME: "/b" }), "/a");
    assert.equal(hubCache({ HF_HOME: "/b", XDG_CACHE_HOME: "/c" }), "/b/hub");
    assert.equal(hubCache({ XDG_CACHE_HOME: "/c" }), "/c/huggingface/hub");
    assert.equal(hubCache({ HF_HOME: "" }), path.join(homedir(), ".cache/huggingface/hub"));
  });
});
