/** Renderers of the attention explorer and of plotly figures. They are safe: a notebook that nobody trusts may hold anything. */
import { mountExplorer } from "../../src/plot/page/explorer.js";
import type { ExplorerSpec } from "../../src/plot/explorerMaps.js";
import type { MimeExtension, MimeModel, MimeRenderer, WidgetClass } from "../types/jupyter.js";
import { drawFigure, figureProblem, type PlotlyFigure } from "./plotly.js";
import { wanted } from "./share.js";

const explorerMime = "application/vnd.ams.explorer+json";
const plotlyMime = "application/vnd.plotly.v1+json";

export async function mimeExtensions(): Promise<MimeExtension[]> {
  const { Widget } = await wanted<{ Widget: WidgetClass }>("@lumino/widgets");

  class Explorer extends Widget implements MimeRenderer {
    // As a promise: what is thrown in it JupyterLab shows in the cell.
    async renderModel({ data }: MimeModel): Promise<void> {
      await Promise.resolve();
      const root = document.createElement("div");
      const problem = mountExplorer(root, data[explorerMime] as ExplorerSpec);
      this.node.style.padding = "4px 8px";
      this.node.replaceChildren(problem === undefined ? root : `This attention figure cannot be shown: ${problem}.`);
    }
  }

  class Plotly extends Widget implements MimeRenderer {
    #free = (): void => undefined;

    async renderModel({ data }: MimeModel): Promise<void> {
      const figure = data[plotlyMime] as PlotlyFigure;
      const problem = figureProblem(figure);
      this.#free();
      this.#free = (): void => undefined;
      if (problem !== undefined) {
        this.node.replaceChildren(`This figure cannot be shown: ${problem}.`);
        return;
      }
      const free = await drawFigure(this.node, figure);
      this.#free(); // of one that was drawn at the same time
      this.#free = free;
      if (this.isDisposed) free();
    }

    override dispose(): void {
      if (!this.isDisposed) this.#free();
      super.dispose();
    }
  }

  const of = (id: string, mime: string, Renderer: new () => MimeRenderer, rank: number): MimeExtension => ({
    id: `@ams-notebook/lab:${id}`,
    rendererFactory: { safe: true, mimeTypes: [mime], createRenderer: () => new Renderer() },
    rank,
    dataType: "json",
  });
  return [of("explorer", explorerMime, Explorer, 0), of("plotly", plotlyMime, Plotly, 50)];
}
