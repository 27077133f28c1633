//! Data sets and whole runs.

/// Data sets and whole runs.
#[macro_export]
macro_rules! run_bindings {
    ($bind:ident, $Floats:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub struct Dataset($crate::handle::Handle<$crate::data::Dataset>);

        #[$bind]
        impl Dataset {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.0.bytes() as f64
            }

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

            #[$bind(js_name = "addFiles")]
            pub async fn add_files(&self, folder: String, names: String, strict: bool) -> $Result<()> {
                let dataset = self.0.clone();
                let add = async move || $crate::bindings::support::add_files(&dataset, &folder, &names, strict).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "openParts")]
            pub async fn open_parts(&self, file: String) -> $Result<()> {
                let dataset = self.0.clone();
                let open = async move || dataset.with(async |dataset| dataset.open_parts(&file)).await;
                $crate::handle::run(open).await.map_err($error)
            }

            #[$bind(js_name = "addParts")]
            pub async fn add_parts(&self, parts: String, strict: bool) -> $Result<()> {
                let dataset = self.0.clone();
                let add = async move || $crate::bindings::support::add_parts(&dataset, &parts, strict).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "addPixels")]
            pub async fn add_pixels(&self, values: $Floats, shape: $Sizes) -> $Result<()> {
                let (dataset, values) = (self.0.clone(), values.to_vec());
                let shape = $crate::bindings::support::sizes(&shape);
                let add = async move || dataset.with(async |dataset| dataset.add_pixels(&values, &shape)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "addButterflies")]
            pub async fn add_butterflies(&self, first: u32, count: u32, seed: f64) -> $Result<()> {
                let dataset = self.0.clone();
                let (first, count) = (first as usize, count as usize);
                let seed = $crate::bindings::support::seed(seed).map_err($error)?;
                let add = async move || dataset.with(async |dataset| dataset.add_butterflies(first, count, seed)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "setClassLabels")]
            pub async fn set_class_labels(&self, labels: $Sizes) -> $Result<()> {
                let (dataset, labels) = (self.0.clone(), labels.to_vec());
                let set = async move || dataset.with(async |dataset| dataset.set_class_labels(&labels)).await;
                $crate::handle::run(set).await.map_err($error)
            }

            #[$bind]
            pub async fn length(&self) -> $Result<u32> {
                let dataset = self.0.clone();
                let length = async move || dataset.with(async |dataset| Ok(dataset.len() as u32)).await;
                $crate::handle::run(length).await.map_err($error)
            }

            #[$bind(js_name = "takeProblem")]
            pub async fn take_problem(&self) -> $Result<Option<String>> {
                let dataset = self.0.clone();
                let take = async move || dataset.with(async |dataset| Ok(dataset.take_problem())).await;
                $crate::handle::run(take).await.map_err($error)
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
        pub struct Batch($crate::data::Batch);

        #[$bind]
        impl Batch {
            #[$bind]
            pub fn data(&self) -> $Floats {
                self.0.values.clone().into()
            }

            #[$bind(js_name = "classLabels")]
            pub fn class_labels(&self) -> $Floats {
                self.0.class_labels.clone().into()
            }
        }

        #[$bind]
        pub struct DataLoader {
            loader: $crate::handle::Handle<$crate::data::DataLoader>,
            dataset: $crate::handle::Handle<$crate::data::Dataset>,
            generator: $crate::bindings::support::SharedGenerator,
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
            pub async fn next(&self) -> $Result<Batch> {
                let (loader, dataset) = (self.loader.clone(), self.dataset.clone());
                let generator = self.generator.clone();
                let next = async move || $crate::bindings::support::next_batch(&loader, &dataset, &generator).await;
                $crate::handle::run(next).await.map(Batch).map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.loader.dispose();
            }
        }

        #[$bind]
        pub struct Trainer($crate::bindings::training_run::TrainingRun);

        #[$bind]
        impl Trainer {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.0.bytes() as f64
            }

            #[$bind(constructor)]
            pub fn new(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                dataset: &Dataset,
                generator: &Generator,
                options: String,
            ) -> $Result<Trainer> {
                let scheduler = $crate::bindings::support::lock(&scheduler.0).clone();
                let (model, dataset, generator) = (&model.0, dataset.0.clone(), generator.0.clone());
                let run =
                    $crate::bindings::training_run::TrainingRun::new(model, scheduler, dataset, generator, &options);
                run.map(Self).map_err($error)
            }

            #[$bind]
            pub async fn next(&self) -> $Result<String> {
                let run = self.0.clone();
                $crate::handle::run(async move || run.next().await).await.map_err($error)
            }

            #[$bind]
            pub async fn state(&self) -> $Result<String> {
                let run = self.0.clone();
                $crate::handle::run(async move || run.state().await).await.map_err($error)
            }

            #[$bind(js_name = "optimizerState")]
            pub async fn optimizer_state(&self) -> $Result<$Bytes> {
                let run = self.0.clone();
                let bytes = $crate::handle::run(async move || run.optimizer_state().await).await.map_err($error)?;
                Ok(bytes.into())
            }

            #[$bind(js_name = "emaConfig")]
            pub async fn ema_config(&self) -> $Result<String> {
                let run = self.0.clone();
                $crate::handle::run(async move || run.ema_config().await).await.map_err($error)
            }

            #[$bind(js_name = "emaModel")]
            pub async fn ema_model(&self) -> $Result<UNet2DModel> {
                let run = self.0.clone();
                $crate::handle::run(async move || run.ema_model().await).await.map(UNet2DModel).map_err($error)
            }

            #[$bind]
            pub async fn restore(
                &self,
                state: String,
                unet: &Weights,
                ema_config: String,
                ema: &Weights,
                optimizer: &Weights,
            ) -> $Result<()> {
                let (run, weights) = (self.0.clone(), [unet.0.clone(), ema.0.clone(), optimizer.0.clone()]);
                let restore = async move || run.restore(&state, &ema_config, &weights).await;
                $crate::handle::run(restore).await.map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.dispose();
            }
        }

        #[$bind]
        pub struct Denoising {
            denoising: $crate::handle::Handle<$crate::pipelines::Denoising>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
            generator: $crate::bindings::support::SharedGenerator,
        }

        #[$bind]
        impl Denoising {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.denoising.bytes() as f64
            }

            #[$bind(constructor)]
            pub fn new(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                generator: &Generator,
                options: String,
                noise: $Floats,
                shape: $Sizes,
                class_labels: $Floats,
            ) -> $Result<Denoising> {
                let scheduler = $crate::bindings::support::lock(&scheduler.0).clone();
                let options = $crate::json::from_json_without_null(&options).map_err($error)?;
                let start = $crate::bindings::support::start(&noise, &shape, &class_labels);
                let denoising = $crate::pipelines::Denoising::new(scheduler, options, start);
                Ok(Self {
                    denoising: $crate::handle::Handle::new("the denoising loop", denoising.map_err($error)?),
                    model: model.0.handle.clone(),
                    generator: generator.0.clone(),
                })
            }

            #[$bind(js_name = "fromImage")]
            #[allow(clippy::too_many_arguments)]
            pub fn from_image(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                generator: &Generator,
                options: String,
                noise: $Floats,
                shape: $Sizes,
                class_labels: $Floats,
                image: $Floats,
                begin_index: u32,
            ) -> $Result<Denoising> {
                let scheduler = $crate::bindings::support::lock(&scheduler.0).clone();
                let options = $crate::json::from_json_without_null(&options).map_err($error)?;
                let start = $crate::bindings::support::start(&noise, &shape, &class_labels);
                let begin = begin_index as usize;
                let denoising = $crate::pipelines::Denoising::from_image(scheduler, options, start, &image, begin);
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
                let step = async move || $crate::bindings::support::denoise(&denoising, &model, &generator).await;
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
