// genomic-llama score: bits per base of sequences under a model. More options: task.ext.args.
process GENOMIC_LLAMA_SCORE {
    tag "${meta.id}"
    label 'process_medium'
    container "${params.genomic_llama_container ?: 'genomic-llama:cpu'}"

    input:
    tuple val(meta), path(source)
    path model

    output:
    tuple val(meta), path("${prefix}.json"), emit: score
    path 'versions.yml', emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    export OMP_NUM_THREADS=${task.cpus}
    genomic-llama score ${model} ${source} --out ${prefix}.json ${args}

    printf '"%s":\\n    genomic-llama: %s\\n' '${task.process}' "\$(genomic-llama --version | cut -d ' ' -f 2)" > versions.yml
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.json versions.yml
    """
}
