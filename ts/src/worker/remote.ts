/** Types: the API as it looks from a page when its objects live in a worker. */
import type { DataLoader } from "../data/data-loader.js";
import type { Dataset } from "../data/dataset.js";
import type { Image } from "../images.js";
import type * as api from "../index.js";
import type { Prediction } from "../models/prediction.js";
import type { UNet2DModel } from "../models/unet-2d-model.js";
import type { DiffusionPipeline } from "../pipelines/diffusion-pipeline.js";
import type { Generator } from "../random/generator.js";
import type { Scheduler } from "../schedulers/scheduler.js";
import type { IntTensor } from "../tensor.js";
import type { AdamW } from "../training/adamw.js";
import type { EMAModel } from "../training/ema-model.js";
import type { LRScheduler } from "../training/lr-scheduler.js";
import type { Trainer } from "../training/trainer.js";

/** What stays in the worker; all other values are sent. */
type Kept =
  | UNet2DModel
  | DiffusionPipeline
  | Scheduler
  | Generator
  | Dataset
  | DataLoader
  | Trainer
  | AdamW
  | EMAModel
  | LRScheduler
  | Prediction;

type Sent = Image | IntTensor | ArrayBufferView | Blob | ReadonlyMap<unknown, unknown> | AbortSignal | URL;
type AnyFunction = (...args: never[]) => unknown;

/** An object in the worker: its methods and properties are asked for, so that each gives a promise. */
export type Remote<T> = {
  readonly [Name in keyof T as Name extends symbol ? never : Name]: T[Name] extends AnyFunction
    ? RemoteFunction<T[Name]>
    : Promise<Value<T[Name]>>;
} & Disposable &
  (T extends AsyncIterable<infer Item> ? AsyncIterable<Value<Item>> : unknown);

/** Both of two overloads, where a function has them. */
type RemoteFunction<F> = F extends {
  (...args: infer A): infer R;
  (...args: infer B): infer S;
}
  ? ((...args: Arguments<A>) => Result<R>) & ((...args: Arguments<B>) => Result<S>)
  : F extends (...args: infer A) => infer R
    ? (...args: Arguments<A>) => Result<R>
    : never;

type Result<R> =
  R extends AsyncGenerator<infer Item> ? AsyncGenerator<Value<Item>, void, void> : Promise<Value<Awaited<R>>>;

type Value<V> = V extends Kept
  ? Remote<V>
  : V extends Sent | AnyFunction
    ? V
    : V extends object
      ? { [Name in keyof V]: Value<V[Name]> }
      : V;

type Argument<A> = A extends Kept
  ? Remote<A>
  : A extends Sent | AnyFunction
    ? A
    : A extends object
      ? { [Name in keyof A]: Argument<A[Name]> }
      : A;
type Arguments<A> = A extends unknown[] ? { [Index in keyof A]: Argument<A[Index]> } : never;

/** Methods of a class that give an object of it. */
type Factory = "create" | "fromPretrained" | "fromConfig";

type RemoteStatics<C, Instance> = {
  readonly [Name in Exclude<keyof C, "prototype">]: C[Name] extends AnyFunction
    ? Name extends Factory
      ? (...args: Arguments<Parameters<C[Name]>>) => Promise<Remote<Instance>>
      : RemoteFunction<C[Name]>
    : Promise<C[Name]>;
};

type AnyConstructor = abstract new (...args: never[]) => unknown;

/** Classes, those that only their own methods construct too, and functions. */
type RemoteExport<E> = E extends AnyFunction
  ? RemoteFunction<E>
  : E extends AnyConstructor
    ? RemoteStatics<E, InstanceType<E>> & {
        new (...args: Arguments<ConstructorParameters<E>>): Promise<Remote<InstanceType<E>>>;
      }
    : E extends { prototype: infer Instance }
      ? RemoteStatics<E, Instance>
      : never;

/** Everything that the package exports, in a worker. */
export type RemoteApi = { readonly [Name in keyof typeof api]: RemoteExport<(typeof api)[Name]> };
