/** The verbs as typed functions. Written from the table of commands by typesText.ts; a test keeps it so. */
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import type { Recipe } from "../train/recipe.js";
import type { Run } from "../train/trainer.js";
import type { Evaluation } from "../evaluate/index.js";
import type {
  Compared,
  OpenedDataset,
  Report,
  Engine,
  RunList,
  Experiment,
  Exported,
  IndexReport,
  IndexList,
  Inspection,
} from "./results.js";
import type { Figure } from "../plot/figure.js";
import type { Hits } from "../search/index.js";
import type { Helpers } from "./helpers.js";

/** Options of `ams.engine`. */
export interface EngineArguments {
  /** The engine to start, or install. Default: "auto". */
  choice?: "auto" | "gpu" | "native" | "webgpu" | "wasm" | "plain" | "install";
  /** With install: the engine for NVIDIA GPUs. Default: false. */
  gpu?: boolean;
  /** Threads of the native engine (default: all cores). */
  threads?: number;
  /** On an NVIDIA GPU: products in TF32, several times faster, 10 bits of mantissa (default: full float32). */
  tf32?: boolean;
  /** Measure the speed of a matrix product (about a second). Default: true. */
  measure?: boolean;
}

/** Options of `ams.data`. */
export interface DataArguments {
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** Also decode every image: those that cannot be read are listed, and refused or (--skip-problems) left out. Default: false. */
  check?: boolean;
  /** Scenes: number of train images; without --val and --test these have a tenth and a fifth of it, at most their default. */
  size?: number;
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
  recipe?:
    | "ams-published"
    | "ams-corrected"
    | "scenes-pretrain"
    | "scenes-contrast"
    | "scenes-hinge"
    | "naaf"
    | "uarda"
    | "fne"
    | "vse";
  /** One quirk of the published code switched against the recipe. */
  quirk?:
    | "firstScaleText=published"
    | "firstScaleText=corrected"
    | "restoreScaleWeights=published"
    | "restoreScaleWeights=corrected"
    | "restoreThresholds=published"
    | "restoreThresholds=corrected"
    | "trainThreshold=published"
    | "trainThreshold=corrected"
    | "padWords=published"
    | "padWords=corrected"
    | "sameImageNegatives=published"
    | "sameImageNegatives=corrected"
    | "evaluationPropagation=published"
    | "evaluationPropagation=corrected"
    | "resumeSchedule=published"
    | "resumeSchedule=corrected"
    | (
        | "firstScaleText=published"
        | "firstScaleText=corrected"
        | "restoreScaleWeights=published"
        | "restoreScaleWeights=corrected"
        | "restoreThresholds=published"
        | "restoreThresholds=corrected"
        | "trainThreshold=published"
        | "trainThreshold=corrected"
        | "padWords=published"
        | "padWords=corrected"
        | "sameImageNegatives=published"
        | "sameImageNegatives=corrected"
        | "evaluationPropagation=published"
        | "evaluationPropagation=corrected"
        | "resumeSchedule=published"
        | "resumeSchedule=corrected"
      )[];
  /** Start from these weights: a shipped model, a run's name, a folder with config.json, or the published code's model_best.pth.tar. */
  checkpoint?: string;
  /** A pretrained ViT: a folder or file of Hugging Face or PyTorch, or a name in the local hub cache. */
  vision?: string;
  /** A pretrained BERT, likewise; its vocabulary comes along. */
  text?: string;
  /** Look at precomputed region features (36x2048 as NAAF's authors); captions by --text, or a GRU over the words of the open data. */
  regions?: string;
  /** Side of the image, where the ViT was trained at another one: its positions are resized. */
  pixels?: number;
  /** How positions are resized (default bicubic, as transformers does). */
  resize?: "bicubic" | "bilinear";
  /** Width of the projections over pretrained encoders (default 1024). */
  embed?: number;
  /** A vocabulary of your own, one word piece a line (default: the text encoder's, else bert-base-uncased). */
  vocabulary?: string;
  /** Of the random weights (default 3407). */
  seed?: number;
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** Also write the model into this folder, for train --checkpoint DIR and the others. */
  out?: string;
  /** Image-caption pairs a step. */
  batchSize?: number;
  /** Less memory: compute the layers' insides twice instead of keeping them (a third more time). */
  recompute?: boolean;
  /** Less memory: encode so many pairs at a time; the loss still sees the whole batch, the same to rounding (in bfloat16 to its). */
  microBatch?: number;
  /** Measure the speed of a step here, to tell how long a training takes. Default: true. */
  measure?: boolean;
  /** The same as `data`. */
  dataset?: BuildArguments["data"];
  /** The same as `root`. */
  dataPath?: BuildArguments["root"];
  /** The same as `root`. */
  imageRoot?: BuildArguments["root"];
  /** The same as `batchSize`. */
  bs?: BuildArguments["batchSize"];
  /** The same as `batchSize`. */
  batchSizeTrain?: BuildArguments["batchSize"];
}

/** Options of `ams.train`. */
export interface TrainArguments {
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** The model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** Base as published, small for laptops, tiny for tests. */
  size?: "tiny" | "small" | "base";
  /** What the training does and which quirks of the published code hold. */
  recipe?:
    | "ams-published"
    | "ams-corrected"
    | "scenes-pretrain"
    | "scenes-contrast"
    | "scenes-hinge"
    | "naaf"
    | "uarda"
    | "fne"
    | "vse";
  /** One quirk of the published code switched against the recipe. */
  quirk?:
    | "firstScaleText=published"
    | "firstScaleText=corrected"
    | "restoreScaleWeights=published"
    | "restoreScaleWeights=corrected"
    | "restoreThresholds=published"
    | "restoreThresholds=corrected"
    | "trainThreshold=published"
    | "trainThreshold=corrected"
    | "padWords=published"
    | "padWords=corrected"
    | "sameImageNegatives=published"
    | "sameImageNegatives=corrected"
    | "evaluationPropagation=published"
    | "evaluationPropagation=corrected"
    | "resumeSchedule=published"
    | "resumeSchedule=corrected"
    | (
        | "firstScaleText=published"
        | "firstScaleText=corrected"
        | "restoreScaleWeights=published"
        | "restoreScaleWeights=corrected"
        | "restoreThresholds=published"
        | "restoreThresholds=corrected"
        | "trainThreshold=published"
        | "trainThreshold=corrected"
        | "padWords=published"
        | "padWords=corrected"
        | "sameImageNegatives=published"
        | "sameImageNegatives=corrected"
        | "evaluationPropagation=published"
        | "evaluationPropagation=corrected"
        | "resumeSchedule=published"
        | "resumeSchedule=corrected"
      )[];
  /** Passes over the split. */
  epochs?: number;
  /** Stop after this many steps in all. */
  steps?: number;
  /** Image-caption pairs a step. */
  batchSize?: number;
  /** Less memory: compute the layers' insides twice instead of keeping them (a third more time). */
  recompute?: boolean;
  /** Less memory: encode so many pairs at a time; the loss still sees the whole batch, the same to rounding (in bfloat16 to its). */
  microBatch?: number;
  /** Of the linear layers' products: bfloat16 is faster, on TensorFlow, with 8 bits of mantissa (default: the recipe's). */
  precision?: "float32" | "bfloat16";
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
  /** Pass over missing and unreadable images, count and list them, instead of stopping (also where the run is resumed). Default: false. */
  skipBadImages?: boolean;
  /** Time between checkpoints inside an epoch (default 600). */
  checkpointSeconds?: number;
  /** Of the run and its folder (default: recipe and time). */
  name?: string;
  /** Go on with this run, with the latest unfinished one that has a checkpoint, or with the published code's model_best.pth.tar. */
  resume?: boolean | string;
  /** Also write event files for TensorBoard, into the run's folder or into DIR/NAME (also where the run is resumed). */
  tensorboard?: boolean | string;
  /** Changes to the recipe, e.g. {flip: 0}; also in the YAML of a whole experiment. */
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
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** The model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar; several times: the mean of their scores (an ensemble). */
  checkpoint?: string | string[];
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** Instead of a model: scores [images, captions] made elsewhere, as safetensors with owner [captions] (the image of each) or as .npy; several times: their mean. */
  scores?: string | string[];
  /** The split to evaluate on (default test). */
  split?: string;
  /** Only the first N images (default: all). */
  images?: number;
  /** Only the first N captions of each image. */
  captionsPerImage?: number;
  /** Regions up to this similarity match no word (default: the model's mined safe threshold). */
  threshold?: number;
  /** Also the pointing game, per scale and kind of phrase: does a phrase's strongest patch lie in its boxes?. Default: false. */
  pointing?: boolean;
  /** Also the mean over N equal parts of the images, each ranked by itself (default: 5 for MS-COCO's 5,000 test images). */
  folds?: number;
  /** Also every scale alone, and all scales but one. Default: false. */
  scales?: boolean;
  /** Gigabytes for the captions' features (default 2); less memory means encoding the images several times. */
  memory?: number;
  /** Go on with the blocks that an interrupted evaluation has kept, as it does anyway, and say so where there are none; with a value, as published, the same as --checkpoint. */
  resume?: boolean | string;
  /** Begin anew, whatever an interrupted evaluation has kept. Default: false. */
  fresh?: boolean;
  /** Write the scores to this .npy (NumPy) or .safetensors file; --scores, compare and NumPy read it. */
  save?: string;
  /** With --save: also the scores of each scale alone, unweighted, as NAME.scale-1 and so on beside it. Default: false. */
  saveScales?: boolean;
  /** Also what the words of N captions find in their own image and in wrong ones (for ams.frame and plot distribution). */
  words?: number;
  /** Leave missing and unreadable images out, count and name them, instead of stopping. Default: false. */
  skipBadImages?: boolean;
  /** Score by pooled features, as search's first stage does. Default: false. */
  pooled?: boolean;
  /** The same as `data`. */
  dataset?: EvalArguments["data"];
  /** The same as `root`. */
  dataPath?: EvalArguments["root"];
  /** The same as `root`. */
  imageRoot?: EvalArguments["root"];
}

/** Options of `ams.compare`. */
export interface CompareArguments {
  /** A and B: each a run, a model, a file of scores, or an evaluation. */
  sides: string | Evaluation | (string | Evaluation)[];
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** Models: the split (default test). */
  split?: string;
  /** Models: only the first N images. */
  images?: number;
  /** Models: only the first N captions of each image; scores without owners: N captions an image, in order. */
  captionsPerImage?: number;
  /** Also as means over N folds. */
  folds?: number;
  /** Models: by pooled features, as search's first stage scores. Default: false. */
  pooled?: boolean;
  /** Models: go on with the blocks that an interrupt has kept, as it does anyway, and say so where there are none. Default: false. */
  resume?: boolean;
  /** Models: begin anew, whatever an interrupt has kept. Default: false. */
  fresh?: boolean;
  /** Save the figure of the differences: .svg, .png, .html or .json. */
  out?: string;
  /** The same as `data`. */
  dataset?: CompareArguments["data"];
  /** The same as `root`. */
  dataPath?: CompareArguments["root"];
  /** The same as `root`. */
  imageRoot?: CompareArguments["root"];
}

/** Options of `ams.plot`. */
export interface PlotArguments {
  /** Which figure. */
  figure:
    | "attention"
    | "recall"
    | "history"
    | "runs"
    | "gallery"
    | "confusion"
    | "distribution"
    | "scales"
    | "phrases"
    | "phrase-recall"
    | "sizes";
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** The model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar. */
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
  /** Attention: beside it the same image with another of its captions, or a text of your own. */
  againstCaption?: number | string;
  /** Attention: beside it the same pair as another model sees it. */
  againstCheckpoint?: string;
  /** Gallery: captions look for images, or images for captions. Default: "t2i". */
  direction?: "t2i" | "i2t";
  /** Gallery: number of queries. Default: 5. */
  queries?: number;
  /** Gallery: hits a query. Default: 5. */
  k?: number;
  /** Confusion: number of images. Default: 12. */
  count?: number;
  /** Distribution: captions whose words are looked at (0: only the scores of pairs). Default: 100. */
  words?: number;
  /** Distribution: words at this scale (default: the deepest). */
  scale?: number;
  /** Recall, gallery, confusion, distribution, scales, phrases, phrase-recall: evaluate on the first N images of the split. */
  images?: number;
  /** Recall, confusion, distribution: instead of a model a score matrix, as eval --scores takes it (.npy, .safetensors); recall draws several. */
  scores?: string | string[];
  /** Recall, gallery, confusion, distribution: only the first N captions of each image; scores without owners: N captions an image, in order. */
  captionsPerImage?: number;
  /** Figures of an evaluation: leave missing and unreadable images out, count and name them, instead of stopping. Default: false. */
  skipBadImages?: boolean;
  /** History: the run (default: the latest); runs takes several (default: the latest six). */
  run?: string | string[];
  /** Also save the figure: .svg, .png, .html or .json. */
  out?: string;
  /** The same as `data`. */
  dataset?: PlotArguments["data"];
  /** The same as `root`. */
  dataPath?: PlotArguments["root"];
  /** The same as `root`. */
  imageRoot?: PlotArguments["root"];
}

/** Options of `ams.index`. */
export interface IndexArguments {
  /** A folder of pictures (default: the split of the data set). */
  folder?: string;
  /** The index: a name, or a folder (with a slash in it). Default: "gallery". */
  index?: string;
  /** Also encode changed images anew, and remove those of this gallery that are gone. Default: false. */
  update?: boolean;
  /** Remove this image, by id or file (repeatable); alone it adds nothing. */
  delete?: string | string[];
  /** Throw away what is there and begin anew, e.g. with another model. Default: false. */
  fresh?: boolean;
  /** What is kept for the exact score (default float16); none: images are encoded again when they are scored, which needs their files. */
  features?: "float16" | "float32" | "none";
  /** Only the first N images. */
  images?: number;
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** The model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** The split (default test). */
  split?: string;
  /** The same as `data`. */
  dataset?: IndexArguments["data"];
  /** The same as `root`. */
  dataPath?: IndexArguments["root"];
  /** The same as `root`. */
  imageRoot?: IndexArguments["root"];
  /** The same as `index`. */
  name?: IndexArguments["index"];
}

/** Options of `ams.search`. */
export interface SearchArguments {
  /** What to look for, or the path of an image. */
  query?: string;
  /** Look for captions of this image. */
  image?: string;
  /** Hits to show. Default: 5. */
  k?: number;
  /** Candidates of the first stage that get the exact score (at least k). Default: 50. */
  candidates?: number;
  /** Search in this index (made by `ams index`) instead of a split. */
  index?: string;
  /** The data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions). */
  data?: string | Dataset;
  /** The folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder). */
  root?: string;
  /** Flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places). */
  annotations?: string;
  /** A folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it). */
  captions?: string;
  /** Flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json. */
  boxes?: boolean | string;
  /** Leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them. Default: false. */
  skipProblems?: boolean;
  /** The model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** The split to search in (default test). */
  split?: string;
  /** The same as `data`. */
  dataset?: SearchArguments["data"];
  /** The same as `root`. */
  dataPath?: SearchArguments["root"];
  /** The same as `root`. */
  imageRoot?: SearchArguments["root"];
}

/** Options of `ams.indexes`. */
export interface IndexesArguments {
  /** Remove this index and all that it holds, by name or folder (the pictures themselves stay). */
  remove?: string | string[];
}

/** Options of `ams.run`. */
export interface RunArguments {
  /** The experiment, a .yaml file. */
  file: string;
  /** Only check the file, run nothing. Default: false. */
  check?: boolean;
}

/** Options of `ams.runs`. */
export interface RunsArguments {
  /** At most so many. Default: 20. */
  last?: number;
}

/** Options of `ams.export`. */
export interface ExportArguments {
  /** What to write. */
  what?: "weights" | "table" | "figure";
  /** Write the weights into this file, as the published code writes its checkpoints (e.g. model_best.pth.tar). */
  torch?: string;
  /** With --torch: the options as an argparse.Namespace, as published (torch.load then needs weights_only=False). Default: false. */
  namespace?: boolean;
  /** The folder of weights, the .csv of a table, the .svg, .png, .html or .json of a figure (defaults: ams-model, ams-table.csv, ams-figure.svg). */
  out?: string;
  /** The model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar. */
  checkpoint?: string;
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** Weights: 16 bits each, half the size. Default: false. */
  half?: boolean;
  /** Table, figure: of this run; with --torch: its best weights, epochs and steps. */
  run?: string;
}

/** Options of `ams.inspect`. */
export interface InspectArguments {
  /** What to look at. */
  what: "pixels" | "tokens" | "features" | "scores";
  /** Pixels: image files; tokens: one text file with a caption a line; features, scores: more files of the checkpoint. */
  files?: string | string[];
  /** The file to write: safetensors, or JSON for tokens. */
  out: string;
  /** Pixels: side of the result (default 384). */
  size?: number;
  /** Tokens: how many a caption has, [CLS] and [SEP] included (default 30). */
  maxLength?: number;
  /** Tokens: a vocabulary of your own, one word piece a line (default: bert-base-uncased). */
  vocabulary?: string;
  /** Features, scores: the model, as a name, a folder, or bare safetensors of the encoders' weights. */
  checkpoint?: string | string[];
  /** A model that you built; it stays the session's model. */
  model?: Model;
  /** Features, scores: safetensors with pixels [B,3,S,S], ids and mask [C,30], or what inspect pixels and tokens wrote. */
  inputs?: string | string[];
  /** Scores: of these features (image_scale_1..6, text_scale_1..6) instead of a checkpoint's. */
  features?: string;
  /** Scores: as a training step or as the evaluation makes them. Default: "evaluation". */
  mode?: "train" | "evaluation";
  /** Scores: regions up to this similarity match no word (default: by the recipe, 0 without a mined one). */
  threshold?: number;
  /** What the training does and which quirks of the published code hold. */
  recipe?:
    | "ams-published"
    | "ams-corrected"
    | "scenes-pretrain"
    | "scenes-contrast"
    | "scenes-hinge"
    | "naaf"
    | "uarda"
    | "fne"
    | "vse";
  /** One quirk of the published code switched against the recipe. */
  quirk?:
    | "firstScaleText=published"
    | "firstScaleText=corrected"
    | "restoreScaleWeights=published"
    | "restoreScaleWeights=corrected"
    | "restoreThresholds=published"
    | "restoreThresholds=corrected"
    | "trainThreshold=published"
    | "trainThreshold=corrected"
    | "padWords=published"
    | "padWords=corrected"
    | "sameImageNegatives=published"
    | "sameImageNegatives=corrected"
    | "evaluationPropagation=published"
    | "evaluationPropagation=corrected"
    | "resumeSchedule=published"
    | "resumeSchedule=corrected"
    | (
        | "firstScaleText=published"
        | "firstScaleText=corrected"
        | "restoreScaleWeights=published"
        | "restoreScaleWeights=corrected"
        | "restoreThresholds=published"
        | "restoreThresholds=corrected"
        | "trainThreshold=published"
        | "trainThreshold=corrected"
        | "padWords=published"
        | "padWords=corrected"
        | "sameImageNegatives=published"
        | "sameImageNegatives=corrected"
        | "evaluationPropagation=published"
        | "evaluationPropagation=corrected"
        | "resumeSchedule=published"
        | "resumeSchedule=corrected"
      )[];
  /** Scores: also the loss's gradient of every parameter, before clipping; with --features of the features. Default: false. */
  gradients?: boolean;
  /** What computes. Default: "auto". */
  engine?: "auto" | "gpu" | "native" | "webgpu" | "wasm" | "plain";
}

/** The verbs, and what helps with their results. */
export interface Api extends Helpers {
  /** What is there, what is missing, and how to get it. */
  doctor(): Promise<Report>;
  /** Choose, install and show what computes. */
  engine(
    choice: "auto" | "gpu" | "native" | "webgpu" | "wasm" | "plain" | "install",
    options?: Omit<EngineArguments, "choice">,
  ): Promise<Engine>;
  /** Choose, install and show what computes. */
  engine(options?: EngineArguments): Promise<Engine>;
  /** Open a data set: table of splits and samples. */
  data(data: string | Dataset, options?: Omit<DataArguments, "data">): Promise<OpenedDataset>;
  /** Open a data set: table of splits and samples. */
  data(options?: DataArguments): Promise<OpenedDataset>;
  /** Make a model: random weights of a size, or a checkpoint. */
  build(options?: BuildArguments): Promise<Model>;
  /** Fit the model; live table and curve; stop and go on at will. */
  train(options?: TrainArguments): Promise<Run>;
  /** Recalls both ways, with intervals, beside rows to compare with. */
  eval(options?: EvalArguments): Promise<Evaluation>;
  /** Recalls both ways, with intervals, beside rows to compare with. */
  evaluate(options?: EvalArguments): Promise<Evaluation>;
  /** Two runs, models or score files: which difference is real. */
  compare(
    sides: string | Evaluation | (string | Evaluation)[],
    options?: Omit<CompareArguments, "sides">,
  ): Promise<Compared>;
  /** Two runs, models or score files: which difference is real. */
  compare(options: CompareArguments): Promise<Compared>;
  /** A figure: attention, recall, history, runs, gallery, confusion, distribution, scales, phrases, phrase-recall, sizes. */
  plot(
    figure:
      | "attention"
      | "recall"
      | "history"
      | "runs"
      | "gallery"
      | "confusion"
      | "distribution"
      | "scales"
      | "phrases"
      | "phrase-recall"
      | "sizes",
    options?: Omit<PlotArguments, "figure">,
  ): Promise<Figure>;
  /** A figure: attention, recall, history, runs, gallery, confusion, distribution, scales, phrases, phrase-recall, sizes. */
  plot(options: PlotArguments): Promise<Figure>;
  /** Encode a gallery once and keep it for searches. */
  index(folder: string, options?: Omit<IndexArguments, "folder">): Promise<IndexReport>;
  /** Encode a gallery once and keep it for searches. */
  index(options?: IndexArguments): Promise<IndexReport>;
  /** Find pictures for a text, or captions for a picture. */
  search(query: string, options?: Omit<SearchArguments, "query">): Promise<Hits>;
  /** Find pictures for a text, or captions for a picture. */
  search(options?: SearchArguments): Promise<Hits>;
  /** List the indexes on disk, or remove some. */
  indexes(options?: IndexesArguments): Promise<IndexList>;
  /** Run a whole experiment written down as YAML. */
  run(file: string, options?: Omit<RunArguments, "file">): Promise<Experiment>;
  /** Run a whole experiment written down as YAML. */
  run(options: RunArguments): Promise<Experiment>;
  /** List the trainings on disk, the latest first. */
  runs(options?: RunsArguments): Promise<RunList>;
  /** Write weights, a table or a figure to files. */
  export(what: "weights" | "table" | "figure", options?: Omit<ExportArguments, "what">): Promise<Exported>;
  /** Write weights, a table or a figure to files. */
  export(options?: ExportArguments): Promise<Exported>;
  /** Write what the pipeline makes of given images, captions and tensors, to check it against others. */
  inspect(
    what: "pixels" | "tokens" | "features" | "scores",
    options?: Omit<InspectArguments, "what">,
  ): Promise<Inspection>;
  /** Write what the pipeline makes of given images, captions and tensors, to check it against others. */
  inspect(options: InspectArguments): Promise<Inspection>;
}
