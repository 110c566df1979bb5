// genomic-llama variants: effects of variants under a model. More options: task.ext.args.
process GENOMIC_LLAMA_VARIANTS {
    tag "${meta.id}"
    label 'process_medium'
    container "${params.genomic_llama_container ?: 'genomic-llama:cpu'}"

    input:
    tuple val(meta), path(vcf)
    path fasta
    path model

    output:
    tuple val(meta), path("${prefix}.vcf.gz"), emit: vcf
    tuple val(meta), path("${prefix}.tsv"), emit: table
    tuple val(meta), path("${prefix}.metrics.json"), emit: metrics, optional: true // with --label
    path 'versions.yml', emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}.effects"
    """
    export OMP_NUM_THREADS=${task.cpus}
    genomic-llama variants ${model} ${fasta} ${vcf} --out ${prefix} ${args}

    printf '"%s":\\n    genomic-llama: %s\\n' '${task.process}' "\$(genomic-llama --version | cut -d ' ' -f 2)" > versions.yml
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}.effects"
    """
    touch ${prefix}.vcf.gz ${prefix}.tsv ${prefix}.metrics.json versions.yml
    """
}
