// genomic-llama prepare: genomes to a corpus. More options: task.ext.args.
process GENOMIC_LLAMA_PREPARE {
    tag "${meta.id}"
    label 'process_medium'
    container "${params.genomic_llama_container ?: 'genomic-llama:cpu'}"

    input:
    tuple val(meta), path(sources)

    output:
    tuple val(meta), path("${prefix}"), emit: corpus
    path 'versions.yml', emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    genomic-llama prepare ${sources} --out ${prefix} --processes ${task.cpus} ${args}

    printf '"%s":\\n    genomic-llama: %s\\n' '${task.process}' "\$(genomic-llama --version | cut -d ' ' -f 2)" > versions.yml
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir ${prefix}
    touch ${prefix}/manifest.json versions.yml
    """
}
