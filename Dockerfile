# slr_accel for machines with NVIDIA GPUs; PyTorch from PyPI brings its own CUDA libraries.
#   docker build -t slr_accel .
#   docker run --gpus all --shm-size 8g -v "$PWD/corpora:/slr_accel/corpora" -v "$PWD/runs:/slr_accel/runs" \
#       slr_accel ./launch/train.sh --recipe boston104 --data_dir corpora/boston104 --output_dir runs/boston104
FROM python:3.11-slim

WORKDIR /slr_accel
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# PyTorch first: it is most of the image, and changes least.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt torch

COPY . .
RUN pip install --constraint constraints.txt '.[pose,s3,speech]' && slr-accel --version

CMD ["slr-accel", "--help"]
