//! The one list of what JavaScript sees; `crates/node` and `crates/wasm` each expand it. `ts/src/core.ts` is its contract.
//!
//! Bulk data come as typed arrays, options as JSON text. Asynchronous methods put their work on the worker thread with
//! [`run`](crate::handle::run).

/// Expands to the exported classes and functions.
///
/// - `$bind`: the attribute that exports (`napi` or `wasm_bindgen`)
/// - `$Floats`, `$Doubles`, `$Ints`, `$Sizes`, `$Bytes`: typed arrays of f32, f64, i32, u32 and u8
/// - `$Result`, `$error`: the binding's result type, and the function that makes its error of ours
#[macro_export]
macro_rules! bindings {
    ($bind:ident, $Floats:ty, $Doubles:ty, $Ints:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        $crate::host_bindings!($bind, $Floats, $Doubles, $Ints, $Sizes, $Bytes, $Result, $error);
        $crate::model_bindings!($bind, $Floats, $Sizes, $Bytes, $Result, $error);
        $crate::run_bindings!($bind, $Floats, $Sizes, $Bytes, $Result, $error);
    };
}

/// What is synchronous host arithmetic: random numbers, schedulers, files, pictures.
#[macro_export]
macro_rules! host_bindings {
    ($bind:ident, $Floats:ty, $Doubles:ty, $Ints:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub fn devices() -> String {
            $crate::json::to_json(&$crate::device::devices())
        }

        #[$bind]
        pub struct Generator($crate::bindings_support::SharedGenerator);

        #[$bind]
        impl Generator {
            #[$bind(constructor)]
            pub fn new(seed: f64) -> $Result<Generator> {
                $crate::bindings_support::generator(seed).map(Self).map_err($error)
            }

            #[$bind(getter)]
            pub fn seed(&self) -> f64 {
                $crate::bindings_support::lock(&self.0).seed() as f64
            }

            #[$bind]
            pub fn randn(&self, count: u32) -> $Floats {
                $crate::bindings_support::lock(&self.0).randn(count as usize).into()
            }

            #[$bind]
            pub fn rand(&self, count: u32) -> $Floats {
                $crate::bindings_support::lock(&self.0).rand(count as usize).into()
            }

            #[$bind]
            pub fn randint(&self, low: f64, high: f64, count: u32) -> $Result<$Ints> {
                $crate::bindings_support::randint(&self.0, low, high, count).map(Into::into).map_err($error)
            }

            #[$bind]
            pub fn randperm(&self, n: u32) -> $Ints {
                $crate::bindings_support::lock(&self.0).randperm(n as usize).into()
            }

            #[$bind(js_name = "getState")]
            pub fn get_state(&self) -> $Bytes {
                $crate::bindings_support::lock(&self.0).state().into()
            }

            #[$bind(js_name = "setState")]
            pub fn set_state(&self, state: $Bytes) -> $Result<()> {
                $crate::bindings_support::lock(&self.0).set_state(&state).map_err($error)
            }

            #[$bind(js_name = "createUNet2DModel")]
            pub async fn create_unet_2d_model(&self, config: String, device: String) -> $Result<UNet2DModel> {
                let generator = self.0.clone();
                let model = async move || $crate::bindings_support::create_model(&config, &device, &generator);
                let model = $crate::handle::run(model).await.map_err($error)?;
                Ok(UNet2DModel(model))
            }
        }

        #[$bind]
        pub struct StepOutput($crate::schedulers::StepOutput);

        #[$bind]
        impl StepOutput {
            #[$bind(js_name = "prevSample")]
            pub fn prev_sample(&self) -> $Floats {
                self.0.prev_sample.clone().into()
            }

            #[$bind(js_name = "predOriginalSample")]
            pub fn pred_original_sample(&self) -> $Floats {
                self.0.pred_original_sample.clone().unwrap_or_default().into()
            }
        }

        #[$bind]
        pub struct Scheduler(std::sync::Mutex<Box<dyn $crate::schedulers::Scheduler>>);

        #[$bind]
        impl Scheduler {
            #[$bind(constructor)]
            pub fn new(class_name: String, config: String) -> $Result<Scheduler> {
                let scheduler = $crate::schedulers::create(&class_name, &config).map_err($error)?;
                Ok(Self(std::sync::Mutex::new(scheduler)))
            }

            #[$bind(js_name = "fromPythonConfig")]
            pub fn from_python_config(text: String, class_name: String) -> $Result<Scheduler> {
                let scheduler = $crate::bindings_support::scheduler_from_file(&text, &class_name).map_err($error)?;
                Ok(Self(std::sync::Mutex::new(scheduler)))
            }

            #[$bind]
            pub fn convert(&self, class_name: String, overrides: String) -> $Result<Scheduler> {
                let scheduler = $crate::bindings_support::lock(&self.0);
                let converted = $crate::schedulers::convert(&**scheduler, &class_name, &overrides).map_err($error)?;
                Ok(Self(std::sync::Mutex::new(converted)))
            }

            #[$bind(js_name = "className")]
            pub fn class_name(&self) -> String {
                $crate::bindings_support::lock(&self.0).class_name().to_string()
            }

            #[$bind]
            pub fn config(&self) -> String {
                $crate::bindings_support::lock(&self.0).config_json()
            }

            #[$bind(js_name = "pythonConfig")]
            pub fn python_config(&self) -> $Result<String> {
                $crate::bindings_support::scheduler_file(&**$crate::bindings_support::lock(&self.0)).map_err($error)
            }

            #[$bind(js_name = "setTimesteps")]
            pub fn set_timesteps(&self, options: String) -> $Result<()> {
                let options = $crate::json::from_json(&options).map_err($error)?;
                $crate::bindings_support::lock(&self.0).set_timesteps(&options).map_err($error)
            }

            #[$bind]
            pub fn timesteps(&self) -> $Doubles {
                $crate::bindings_support::lock(&self.0).timesteps().to_vec().into()
            }

            #[$bind(js_name = "initNoiseSigma")]
            pub fn init_noise_sigma(&self) -> f64 {
                f64::from($crate::bindings_support::lock(&self.0).init_noise_sigma())
            }

            #[$bind(js_name = "scaleModelInput")]
            pub fn scale_model_input(&self, sample: $Floats, timestep: f64) -> $Result<$Floats> {
                let mut scheduler = $crate::bindings_support::lock(&self.0);
                scheduler.scale_model_input(&sample, timestep).map(Into::into).map_err($error)
            }

            #[$bind(js_name = "noiseDraws")]
            pub fn noise_draws(&self, timestep: f64, options: String) -> $Result<u32> {
                let options = $crate::json::from_json(&options).map_err($error)?;
                let scheduler = $crate::bindings_support::lock(&self.0);
                scheduler.noise_draws(timestep, &options).map(|draws| draws as u32).map_err($error)
            }

            #[$bind]
            pub fn step(
                &self,
                model_output: $Floats,
                timestep: f64,
                sample: $Floats,
                shape: $Sizes,
                options: String,
                noise: $Floats,
            ) -> $Result<StepOutput> {
                let output = $crate::bindings_support::lock(&self.0).step($crate::schedulers::StepInput {
                    model_output: &model_output,
                    timestep,
                    sample: &sample,
                    shape: &$crate::bindings_support::sizes(&shape),
                    options: &$crate::json::from_json(&options).map_err($error)?,
                    noise: &noise,
                });
                output.map(StepOutput).map_err($error)
            }

            #[$bind(js_name = "addNoise")]
            pub fn add_noise(&self, original: $Floats, noise: $Floats, timesteps: $Doubles) -> $Result<$Floats> {
                let scheduler = $crate::bindings_support::lock(&self.0);
                scheduler.add_noise(&original, &noise, &timesteps).map(Into::into).map_err($error)
            }

            #[$bind(js_name = "getVelocity")]
            pub fn get_velocity(&self, sample: $Floats, noise: $Floats, timesteps: $Doubles) -> $Result<$Floats> {
                let scheduler = $crate::bindings_support::lock(&self.0);
                scheduler.get_velocity(&sample, &noise, &timesteps).map(Into::into).map_err($error)
            }

            #[$bind]
            pub fn table(&self, name: String) -> $Floats {
                $crate::bindings_support::lock(&self.0).table(&name).into()
            }
        }

        #[$bind(js_name = "diffusersVersion")]
        pub fn diffusers_version() -> String {
            $crate::pretrained::config::DIFFUSERS_VERSION.to_string()
        }

        #[$bind(js_name = "shardFiles")]
        pub fn shard_files(index_name: String, text: String) -> $Result<String> {
            let index = $crate::pretrained::shards::ShardIndex::parse(&index_name, &text).map_err($error)?;
            Ok($crate::json::to_json(&index.files()))
        }

        #[$bind(js_name = "parsePythonJson")]
        pub fn parse_python_json(file_name: String, text: String) -> $Result<String> {
            $crate::pretrained::python_json::parse_to_json(&file_name, &text).map_err($error)
        }

        #[$bind(js_name = "formatPythonJson")]
        pub fn format_python_json(json: String) -> $Result<String> {
            $crate::pretrained::python_json::format_from_json(&json).map_err($error)
        }

        #[$bind]
        pub struct DecodedImage($crate::data::Image);

        #[$bind]
        impl DecodedImage {
            #[$bind]
            pub fn width(&self) -> u32 {
                self.0.width() as u32
            }

            #[$bind]
            pub fn height(&self) -> u32 {
                self.0.height() as u32
            }

            #[$bind]
            pub fn channels(&self) -> u32 {
                self.0.channels() as u32
            }

            #[$bind]
            pub fn data(&self) -> $Bytes {
                self.0.data().to_vec().into()
            }
        }

        #[$bind(js_name = "decodeImage")]
        pub fn decode_image(name: String, bytes: $Bytes) -> $Result<DecodedImage> {
            $crate::data::decode(&name, &bytes).map(DecodedImage).map_err($error)
        }

        #[$bind(js_name = "encodePng")]
        pub fn encode_png(data: $Bytes, width: u32, height: u32, channels: u32) -> $Result<$Bytes> {
            let image = $crate::bindings_support::image(&data, width, height, channels).map_err($error)?;
            image.encode_png().map(Into::into).map_err($error)
        }

        #[$bind(js_name = "encodeJpeg")]
        pub fn encode_jpeg(data: $Bytes, width: u32, height: u32, channels: u32, quality: u8) -> $Result<$Bytes> {
            let image = $crate::bindings_support::image(&data, width, height, channels).map_err($error)?;
            image.encode_jpeg(quality).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "tensorToPixels")]
        pub fn tensor_to_pixels(values: $Floats, channels: u32, height: u32, width: u32) -> $Result<$Bytes> {
            let (channels, height, width) = (channels as usize, height as usize, width as usize);
            $crate::data::tensor_to_pixels(&values, channels, height, width).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "pixelsToTensor")]
        pub fn pixels_to_tensor(data: $Bytes, channels: u32, height: u32, width: u32) -> $Result<$Floats> {
            let (channels, height, width) = (channels as usize, height as usize, width as usize);
            $crate::data::pixels_to_tensor(&data, channels, height, width).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "toUnitImages")]
        pub fn to_unit_images(values: $Floats, shape: $Sizes) -> $Result<$Floats> {
            let shape = $crate::bindings_support::sizes(&shape);
            $crate::data::to_unit_images(&values, &shape).map(Into::into).map_err($error)
        }
    };
}

/// Models and what trains them by hand.
#[macro_export]
macro_rules! model_bindings {
    ($bind:ident, $Floats:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub struct Weights($crate::handle::Handle<$crate::pretrained::weights::Weights>);

        #[$bind]
        impl Weights {
            #[$bind(constructor)]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self($crate::handle::Handle::new("the weights", $crate::pretrained::weights::Weights::new()))
            }

            #[$bind]
            pub async fn add(&self, file_name: String, bytes: $Bytes) -> $Result<()> {
                let (weights, bytes) = (self.0.clone(), bytes.to_vec());
                let add = async move || weights.with(async |weights| weights.add(&file_name, &bytes)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "createUNet2DModel")]
            pub async fn create_unet_2d_model(&self, python_config: String, device: String) -> $Result<UNet2DModel> {
                let weights = self.0.clone();
                let load = async move || {
                    weights
                        .with(async |weights| $crate::bindings_support::load_model(&python_config, weights, &device))
                        .await
                };
                let model = $crate::handle::run(load).await.map_err($error)?;
                Ok(UNet2DModel(model))
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.dispose();
            }
        }

        #[$bind]
        pub struct Prediction {
            values: Vec<f32>,
            prediction: $crate::handle::Handle<$crate::training::Prediction>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
        }

        #[$bind]
        impl Prediction {
            #[$bind]
            pub fn data(&self) -> $Floats {
                self.values.clone().into()
            }

            #[$bind]
            pub async fn backward(&self, gradient: $Floats) -> $Result<$Floats> {
                let (prediction, model, gradient) = (self.prediction.clone(), self.model.clone(), gradient.to_vec());
                let backward = async move || {
                    let prediction = prediction.take().await?;
                    model.with(async |model| prediction.backward(model, &gradient).await).await
                };
                let gradient = $crate::handle::run(backward).await.map_err($error)?;
                Ok(gradient.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.prediction.dispose();
            }
        }

        #[$bind]
        pub struct UNet2DModel($crate::bindings_support::Model);

        #[$bind]
        impl UNet2DModel {
            #[$bind]
            pub fn config(&self) -> String {
                self.0.config.clone()
            }

            #[$bind(js_name = "pythonConfig")]
            pub fn python_config(&self) -> $Result<String> {
                $crate::pretrained::config::write_config("UNet2DModel", &self.0.config).map_err($error)
            }

            #[$bind(js_name = "countParameters")]
            pub fn count_parameters(&self) -> f64 {
                self.0.parameter_count as f64
            }

            #[$bind]
            pub fn device(&self) -> String {
                self.0.device.clone()
            }

            #[$bind]
            pub async fn forward(
                &self,
                sample: $Floats,
                shape: $Sizes,
                timesteps: $Floats,
                class_labels: $Floats,
            ) -> $Result<$Floats> {
                let model = self.0.handle.clone();
                let input = $crate::bindings_support::Input::new(&sample, &shape, &timesteps, &class_labels);
                let forward = async move || model.with(async |model| input.predict(model).await).await;
                let output = $crate::handle::run(forward).await.map_err($error)?;
                Ok(output.into())
            }

            #[$bind(js_name = "forwardTracked")]
            pub async fn forward_tracked(
                &self,
                sample: $Floats,
                shape: $Sizes,
                timesteps: $Floats,
                class_labels: $Floats,
            ) -> $Result<Prediction> {
                let model = self.0.handle.clone();
                let input = $crate::bindings_support::Input::new(&sample, &shape, &timesteps, &class_labels);
                let forward = async move || model.with(async |model| input.predict_tracked(model).await).await;
                let prediction = $crate::handle::run(forward).await.map_err($error)?;
                Ok(Prediction {
                    values: prediction.values().to_vec(),
                    prediction: $crate::handle::Handle::new("the prediction (or it went backward already)", prediction),
                    model: self.0.handle.clone(),
                })
            }

            #[$bind]
            pub async fn backward(
                &self,
                sample: $Floats,
                shape: $Sizes,
                timesteps: $Floats,
                target: $Floats,
                weights: $Floats,
                class_labels: $Floats,
            ) -> $Result<f64> {
                let model = self.0.handle.clone();
                let input = $crate::bindings_support::Input::new(&sample, &shape, &timesteps, &class_labels);
                let (target, weights) = (target.to_vec(), weights.to_vec());
                let backward =
                    async move || model.with(async |model| input.mse_backward(model, &target, &weights).await).await;
                $crate::handle::run(backward).await.map(f64::from).map_err($error)
            }

            #[$bind(js_name = "parameterList")]
            pub fn parameter_list(&self) -> String {
                self.0.parameter_list.clone()
            }

            #[$bind]
            pub async fn parameter(&self, name: String) -> $Result<$Floats> {
                let model = self.0.handle.clone();
                let read = async move || model.with(async |model| model.parameters.value(&name).await).await;
                let values = $crate::handle::run(read).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind]
            pub async fn gradient(&self, name: String) -> $Result<$Floats> {
                let model = self.0.handle.clone();
                let read = async move || model.with(async |model| model.parameters.gradient(&name).await).await;
                let values = $crate::handle::run(read).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind(js_name = "zeroGrad")]
            pub async fn zero_grad(&self) -> $Result<()> {
                let model = self.0.handle.clone();
                $crate::handle::run(async move || $crate::bindings_support::zero_gradients(&model).await)
                    .await
                    .map_err($error)
            }

            #[$bind]
            pub async fn safetensors(&self) -> $Result<$Bytes> {
                let model = self.0.handle.clone();
                let write = async move || model.with(async |model| model.parameters.safetensors().await).await;
                let bytes = $crate::handle::run(write).await.map_err($error)?;
                Ok(bytes.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.handle.dispose();
            }
        }

        #[$bind]
        pub struct AdamW {
            optimizer: $crate::handle::Handle<$crate::training::AdamW>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
        }

        #[$bind]
        impl AdamW {
            #[$bind(constructor)]
            pub fn new(model: &UNet2DModel, options: String) -> $Result<AdamW> {
                let options = $crate::json::from_json(&options).map_err($error)?;
                let optimizer = $crate::training::AdamW::new(options).map_err($error)?;
                Ok(Self {
                    optimizer: $crate::handle::Handle::new("the optimizer", optimizer),
                    model: model.0.handle.clone(),
                })
            }

            #[$bind]
            pub async fn step(&self) -> $Result<()> {
                let (optimizer, model) = (self.optimizer.clone(), self.model.clone());
                $crate::handle::run(async move || $crate::bindings_support::optimize(&optimizer, &model).await)
                    .await
                    .map_err($error)
            }

            #[$bind(js_name = "zeroGrad")]
            pub async fn zero_grad(&self) -> $Result<()> {
                let model = self.model.clone();
                $crate::handle::run(async move || $crate::bindings_support::zero_gradients(&model).await)
                    .await
                    .map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.optimizer.dispose();
            }
        }
    };
}

/// Data sets and whole runs.
#[macro_export]
macro_rules! run_bindings {
    ($bind:ident, $Floats:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub struct Dataset($crate::handle::Handle<$crate::data::Dataset>);

        #[$bind]
        impl Dataset {
            #[$bind(constructor)]
            pub fn new(options: String) -> $Result<Dataset> {
                let dataset = $crate::data::Dataset::new(&options).map_err($error)?;
                Ok(Self($crate::handle::Handle::new("the data set", dataset)))
            }

            #[$bind(js_name = "addImage")]
            pub async fn add_image(&self, name: String, bytes: $Bytes) -> $Result<()> {
                let (dataset, bytes) = (self.0.clone(), bytes.to_vec());
                let add = async move || dataset.with(async |dataset| dataset.add_image(&name, &bytes)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "addPixels")]
            pub async fn add_pixels(&self, values: $Floats, shape: $Sizes) -> $Result<()> {
                let (dataset, values) = (self.0.clone(), values.to_vec());
                let shape = $crate::bindings_support::sizes(&shape);
                let add = async move || dataset.with(async |dataset| dataset.add_pixels(&values, &shape)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "addButterflies")]
            pub async fn add_butterflies(&self, first: u32, count: u32, seed: f64) -> $Result<()> {
                let dataset = self.0.clone();
                let (first, count) = (first as usize, count as usize);
                let seed = $crate::bindings_support::seed(seed).map_err($error)?;
                let add = async move || dataset.with(async |dataset| dataset.add_butterflies(first, count, seed)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind]
            pub async fn length(&self) -> $Result<u32> {
                let dataset = self.0.clone();
                let length = async move || dataset.with(async |dataset| Ok(dataset.len() as u32)).await;
                $crate::handle::run(length).await.map_err($error)
            }

            #[$bind]
            pub async fn shape(&self) -> $Result<$Sizes> {
                let dataset = self.0.clone();
                let shape = async move || dataset.with(async |dataset| dataset.item_shape()).await;
                let shape = $crate::handle::run(shape).await.map_err($error)?;
                Ok(shape.map(|size| size as u32).to_vec().into())
            }

            #[$bind]
            pub async fn item(&self, index: u32) -> $Result<$Floats> {
                let dataset = self.0.clone();
                let item = async move || dataset.with(async |dataset| dataset.item(index as usize)).await;
                let values = $crate::handle::run(item).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.dispose();
            }
        }

        #[$bind]
        pub struct DataLoader {
            loader: $crate::handle::Handle<$crate::data::DataLoader>,
            dataset: $crate::handle::Handle<$crate::data::Dataset>,
            generator: $crate::bindings_support::SharedGenerator,
        }

        #[$bind]
        impl DataLoader {
            #[$bind(constructor)]
            pub fn new(dataset: &Dataset, generator: &Generator, options: String) -> $Result<DataLoader> {
                let loader = $crate::data::DataLoader::new(&options).map_err($error)?;
                let loader = $crate::handle::Handle::new("the data loader", loader);
                Ok(Self { loader, dataset: dataset.0.clone(), generator: generator.0.clone() })
            }

            #[$bind]
            pub async fn next(&self) -> $Result<$Floats> {
                let (loader, dataset) = (self.loader.clone(), self.dataset.clone());
                let generator = self.generator.clone();
                let next = async move || $crate::bindings_support::next_batch(&loader, &dataset, &generator).await;
                let batch = $crate::handle::run(next).await.map_err($error)?;
                Ok(batch.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.loader.dispose();
            }
        }

        #[$bind]
        pub struct Trainer {
            trainer: $crate::handle::Handle<$crate::training::Trainer>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
            dataset: $crate::handle::Handle<$crate::data::Dataset>,
            generator: $crate::bindings_support::SharedGenerator,
        }

        #[$bind]
        impl Trainer {
            #[$bind(constructor)]
            pub fn new(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                dataset: &Dataset,
                generator: &Generator,
                options: String,
            ) -> $Result<Trainer> {
                let options = $crate::json::from_json(&options).map_err($error)?;
                let scheduler = $crate::bindings_support::lock(&scheduler.0).clone();
                let trainer = $crate::training::Trainer::new(options, scheduler).map_err($error)?;
                Ok(Self {
                    trainer: $crate::handle::Handle::new("the trainer", trainer),
                    model: model.0.handle.clone(),
                    dataset: dataset.0.clone(),
                    generator: generator.0.clone(),
                })
            }

            #[$bind]
            pub async fn next(&self) -> $Result<String> {
                let (trainer, model) = (self.trainer.clone(), self.model.clone());
                let (dataset, generator) = (self.dataset.clone(), self.generator.clone());
                let next =
                    async move || $crate::bindings_support::next_event(&trainer, &model, &dataset, &generator).await;
                $crate::handle::run(next).await.map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.trainer.dispose();
            }
        }

        #[$bind]
        pub struct Denoising {
            denoising: $crate::handle::Handle<$crate::pipelines::Denoising>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
            generator: $crate::bindings_support::SharedGenerator,
        }

        #[$bind]
        impl Denoising {
            #[$bind(constructor)]
            pub fn new(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                generator: &Generator,
                options: String,
                initial_sample: $Floats,
                shape: $Sizes,
            ) -> $Result<Denoising> {
                let scheduler = $crate::bindings_support::lock(&scheduler.0).clone();
                let options = $crate::json::from_json(&options).map_err($error)?;
                let shape = $crate::bindings_support::sizes(&shape);
                let denoising = $crate::pipelines::Denoising::new(scheduler, options, initial_sample.to_vec(), shape);
                Ok(Self {
                    denoising: $crate::handle::Handle::new("the denoising loop", denoising.map_err($error)?),
                    model: model.0.handle.clone(),
                    generator: generator.0.clone(),
                })
            }

            #[$bind]
            pub async fn step(&self) -> $Result<u32> {
                let (denoising, model) = (self.denoising.clone(), self.model.clone());
                let generator = self.generator.clone();
                let step = async move || $crate::bindings_support::denoise(&denoising, &model, &generator).await;
                $crate::handle::run(step).await.map_err($error)
            }

            #[$bind]
            pub async fn sample(&self) -> $Result<$Floats> {
                let denoising = self.denoising.clone();
                let sample = async move || denoising.with(async |denoising| Ok(denoising.sample().to_vec())).await;
                let values = $crate::handle::run(sample).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.denoising.dispose();
            }
        }
    };
}
