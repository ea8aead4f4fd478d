// The graphs that hear and draw: on the CPU from the start, on a GPU once it is proved, and on the CPU again when that
// fails, with what it was asked, so that nothing that was said is lost.

export class Computing {
  /** cpu: { encoder, generator }, async functions; onLeft: called with the reason when the GPU is given up. */
  constructor(cpu, onLeft = () => {}) {
    this.cpu = cpu;
    this.onLeft = onLeft;
    this.gpu = null;
    this.names = [];
    this.encoder = (feeds) => this.run('encoder', feeds);
    this.generator = (feeds) => this.run('generator', feeds);
  }

  /** From here on the graphs named are computed by gpu, a GpuGraphs. */
  take(gpu, names) {
    if (gpu.failure) {
      this.onLeft(gpu.failure.message);
      return;
    }
    this.gpu = gpu;
    this.names = names;
    gpu.onLost = (reason) => this.leave(reason);
  }

  leave(reason) {
    const { gpu } = this;
    if (!gpu) return;
    this.gpu = null;
    this.names = [];
    gpu.close(reason);
    this.onLeft(reason);
  }

  async run(name, feeds) {
    const { gpu } = this;
    if (gpu && this.names.includes(name)) {
      try {
        const output = await gpu[name](feeds);
        if (isFinite(output)) return output;
        throw new Error('it computed no numbers');
      } catch (error) {
        if (this.gpu === gpu) this.leave(error.message);
      }
    }
    return this.cpu[name](feeds);
  }
}

function isFinite(values) {
  return Number.isFinite(values.reduce((sum, value) => sum + value, 0));
}
