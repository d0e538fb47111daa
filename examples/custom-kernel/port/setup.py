from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension

setup(
    name="linear-scan",
    version="0.1.0",
    ext_modules=[
        CUDAExtension(
            name="linear_scan_cuda",
            sources=["csrc/scan.cpp", "csrc/scan.cu"],
            extra_compile_args={"cxx": ["-O3"], "nvcc": ["-O3", "--use_fast_math", "-lineinfo"]},
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
