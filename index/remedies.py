"""Commands that install what an optional part of gleann needs."""

FAISS = "pip install faiss-cpu (faiss-gpu on a CUDA machine)"
FAISS_GPU = "pip install faiss-gpu"
DEVICE = "pip install torch triton"
TRACE = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-grpc"
