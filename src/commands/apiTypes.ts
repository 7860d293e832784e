/** The verbs as typed functions. Written from the table of commands by typesText.ts; a test keeps it so. */
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import type { Recipe } from "../train/recipe.js";
import type { Run } from "../train/trainer.js";
import type { Evaluation } from "../evaluate/index.js";
import type { Figure } from "../plot/figure.js";
import type { Hits } from "../search/index.js";
import type { Report, Engine, RunList, Exported } from "./results.js";
import type { Helpers } from "./helpers.js";

/** Options of `ams.engine`. */
export interface EngineArguments {
  /** The engine to start, or install. Default: "auto". */
  choice?: "auto" | "gpu" | "native" | "wasm" | "plain" | "install";
  /** With install: the engine for NVIDIA GPUs. Default: false. */
  gpu?: boolean;
  /** Threads of the native engine (default: all cores). */
  threads?: number;
  /** Measure the speed of a matrix product (about a second). Default: false. */
  measure?: boolean;
}

/** Options of `ams.data`. */
export interface DataArguments {
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** Flickr30k, coco: the folder with the images. */
  root?: string;
  /** Flickr30k, coco: the folder with NAME_train.json, NAME_val.json, NAME_test.json (default: beside the images). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Leave out rows with missing images or empty captions instead of refusing the set. Default: false. */
  skipProblems?: boolean;
  /** Scenes: number of train images. */
  train?: number;
  /** Scenes: number of val images. */
  val?: number;
  /** Scenes: number of images in each of the three test splits. */
  test?: number;
  /** Scenes: another seed draws other scenes (default 1). */
  seed?: number;
  /** Scenes: side of the images (default 128). */
  pixels?: number;
  /** The split that samples come from (default: the first with images). */
  split?: string;
  /** Samples to show. Default: 6. */
  samples?: number;
  /** The same as `data`. */
  dataset?: DataArguments["data"];
  /** The same as `root`. */
  dataPath?: DataArguments["root"];
  /** The same as `root`. */
  imageRoot?: DataArguments["root"];
}

/** Options of `ams.build`. */
export interface BuildArguments {
  /** Base as published, small for laptops, tiny for tests. */
  size?: "tiny" | "small" | "base";
  /** What the training does and which quirks of the published code hold. */
  recipe?: "ams-published" | "ams-corrected" | "scenes-pretrain" | "scenes-contrast" | "scenes-hinge";
  /** Start from these weights: a shipped model, a run's name, or a folder with config.json. */
  checkpoint?: string;
  /** A vocabulary of your own, one word piece a line (default: bert-base-uncased). */
  vocabulary?: string;
  /** Of the random weights (default 3407). */
  seed?: number;
}

/** Options of `ams.train`. */
export interface TrainArguments {
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** Flickr30k, coco: the folder with the images. */
  root?: string;
  /** Flickr30k, coco: the folder with NAME_train.json, NAME_val.json, NAME_test.json (default: beside the images). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** The model: a shipped one, a run's name, or a folder with config.json. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** Base as published, small for laptops, tiny for tests. */
  size?: "tiny" | "small" | "base";
  /** What the training does and which quirks of the published code hold. */
  recipe?: "ams-published" | "ams-corrected" | "scenes-pretrain" | "scenes-contrast" | "scenes-hinge";
  /** Passes over the split. */
  epochs?: number;
  /** Stop after this many steps in all. */
  steps?: number;
  /** Image-caption pairs a step. */
  batchSize?: number;
  /** Of Adam, before the schedule. */
  learningRate?: number;
  /** Of the hinge between right and hardest wrong pair. */
  margin?: number;
  /** Limit of the gradients' global norm. */
  gradClip?: number;
  /** Hinge on the hardest negatives (the loss of the ams recipes). */
  maxViolation?: boolean;
  /** Of order, crops and dropout. */
  seed?: number;
  /** The split to train on (default train). */
  split?: string;
  /** Images of val to evaluate after each epoch, 0 for none (default: at most 500). */
  validate?: number;
  /** Pass over unreadable images instead of stopping. Default: false. */
  skipBadImages?: boolean;
  /** Time between checkpoints inside an epoch (default 600). */
  checkpointSeconds?: number;
  /** Of the run and its folder (default: recipe and time). */
  name?: string;
  /** Go on with this run, or with the latest unfinished one that has a checkpoint. */
  resume?: boolean | string;
  /** Changes to the recipe, e.g. {flip: 0}. */
  overrides?: Partial<Recipe>;
  /** The run's folder, as published; its last part becomes the run's --name. */
  loggerName?: string;
  /** Inverse temperature of the attention, as published; the score is defined with 20. */
  lambdaSoftmax?: number;
  /** Of the threshold mining, as published; it is defined with 2. */
  alpha?: number;
  /** The same as `data`. */
  dataset?: TrainArguments["data"];
  /** The same as `root`. */
  dataPath?: TrainArguments["root"];
  /** The same as `root`. */
  imageRoot?: TrainArguments["root"];
  /** The same as `learningRate`. */
  lr?: TrainArguments["learningRate"];
  /** The same as `batchSize`. */
  bs?: TrainArguments["batchSize"];
  /** The same as `batchSize`. */
  batchSizeTrain?: TrainArguments["batchSize"];
  /** The same as `epochs`. */
  numEpochs?: TrainArguments["epochs"];
}

/** Options of `ams.eval`. */
export interface EvalArguments {
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** Flickr30k, coco: the folder with the images. */
  root?: string;
  /** Flickr30k, coco: the folder with NAME_train.json, NAME_val.json, NAME_test.json (default: beside the images). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** The model: a shipped one, a run's name, or a folder with config.json. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** The split to evaluate on. Default: "test". */
  split?: string;
  /** Only the first N images (default: all). */
  images?: number;
  /** Only the first N captions of each image. */
  captionsPerImage?: number;
  /** Regions up to this similarity match no word (default: the model's mined safe threshold). */
  threshold?: number;
  /** Score by pooled features, as search's first stage does. Default: false. */
  pooled?: boolean;
  /** The same as `data`. */
  dataset?: EvalArguments["data"];
  /** The same as `root`. */
  dataPath?: EvalArguments["root"];
  /** The same as `root`. */
  imageRoot?: EvalArguments["root"];
  /** The same as `checkpoint`. */
  resume?: EvalArguments["checkpoint"];
}

/** Options of `ams.plot`. */
export interface PlotArguments {
  /** Which figure. */
  figure: "attention" | "recall" | "history" | "gallery";
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** Flickr30k, coco: the folder with the images. */
  root?: string;
  /** Flickr30k, coco: the folder with NAME_train.json, NAME_val.json, NAME_test.json (default: beside the images). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** The model: a shipped one, a run's name, or a folder with config.json. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** The split (default test); recall takes several. */
  split?: string | string[];
  /** Attention: number or id of the image in the split. Default: 0. */
  item?: number | string;
  /** Attention: number of the image's caption, or a text of your own. Default: 0. */
  caption?: number | string;
  /** Attention: a picture of your own instead of an item. */
  image?: string;
  /** Gallery: captions look for images, or images for captions. Default: "t2i". */
  direction?: "t2i" | "i2t";
  /** Gallery: number of queries. Default: 5. */
  queries?: number;
  /** Gallery: hits a query. Default: 5. */
  k?: number;
  /** Recall, gallery: evaluate on the first N images of the split. */
  images?: number;
  /** History: the run (default: the latest). */
  run?: string;
  /** Also save the figure: .svg, .png, .html or .json. */
  out?: string;
  /** The same as `data`. */
  dataset?: PlotArguments["data"];
  /** The same as `root`. */
  dataPath?: PlotArguments["root"];
  /** The same as `root`. */
  imageRoot?: PlotArguments["root"];
}

/** Options of `ams.search`. */
export interface SearchArguments {
  /** What to look for, or the path of an image. */
  query?: string;
  /** Look for captions of this image. */
  image?: string;
  /** Hits to show. Default: 5. */
  k?: number;
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** Flickr30k, coco: the folder with the images. */
  root?: string;
  /** Flickr30k, coco: the folder with NAME_train.json, NAME_val.json, NAME_test.json (default: beside the images). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** The model: a shipped one, a run's name, or a folder with config.json. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** The split to search in. Default: "test". */
  split?: string;
  /** The same as `data`. */
  dataset?: SearchArguments["data"];
  /** The same as `root`. */
  dataPath?: SearchArguments["root"];
  /** The same as `root`. */
  imageRoot?: SearchArguments["root"];
}

/** Options of `ams.runs`. */
export interface RunsArguments {
  /** At most so many. Default: 20. */
  last?: number;
}

/** Options of `ams.export`. */
export interface ExportArguments {
  /** What to write. */
  what: "weights" | "table" | "figure";
  /** The folder of weights, the .csv of a table, the .svg, .png, .html or .json of a figure (defaults: ams-model, ams-table.csv, ams-figure.svg). */
  out?: string;
  /** The model: a shipped one, a run's name, or a folder with config.json. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** Weights: 16 bits each, half the size. Default: false. */
  half?: boolean;
  /** Table, figure: of this run. */
  run?: string;
}

export interface Api extends Helpers {
  /** What is there, what is missing, and how to get it. */
  doctor(): Promise<Report>;
  /** Choose, install and show what computes. */
  engine(
    choice: "auto" | "gpu" | "native" | "wasm" | "plain" | "install",
    options?: Omit<EngineArguments, "choice">,
  ): Promise<Engine>;
  /** Choose, install and show what computes. */
  engine(options?: EngineArguments): Promise<Engine>;
  /** Open a data set: table of splits and samples. */
  data(data: string | Dataset, options?: Omit<DataArguments, "data">): Promise<Dataset>;
  /** Open a data set: table of splits and samples. */
  data(options?: DataArguments): Promise<Dataset>;
  /** Make a model: random weights of a size, or a checkpoint. */
  build(options?: BuildArguments): Promise<Model>;
  /** Fit the model; live table and curve; stop and go on at will. */
  train(options?: TrainArguments): Promise<Run>;
  /** Recalls both ways, with intervals, beside rows to compare with. */
  eval(options?: EvalArguments): Promise<Evaluation>;
  /** Recalls both ways, with intervals, beside rows to compare with. */
  evaluate(options?: EvalArguments): Promise<Evaluation>;
  /** A figure: attention, recall, history, gallery. */
  plot(
    figure: "attention" | "recall" | "history" | "gallery",
    options?: Omit<PlotArguments, "figure">,
  ): Promise<Figure>;
  /** A figure: attention, recall, history, gallery. */
  plot(options: PlotArguments): Promise<Figure>;
  /** Find pictures for a text, or captions for a picture. */
  search(query: string, options?: Omit<SearchArguments, "query">): Promise<Hits>;
  /** Find pictures for a text, or captions for a picture. */
  search(options?: SearchArguments): Promise<Hits>;
  /** List the trainings on disk, the latest first. */
  runs(options?: RunsArguments): Promise<RunList>;
  /** Write weights, a table or a figure to files. */
  export(what: "weights" | "table" | "figure", options?: Omit<ExportArguments, "what">): Promise<Exported>;
  /** Write weights, a table or a figure to files. */
  export(options: ExportArguments): Promise<Exported>;
}
