/** Register firmware: product, version, notes, file; what is wrong with the file is said before it travels. */
import { Alert, Box, Button, FileButton, Group, Modal, Progress, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { IconAlertTriangle, IconFileUpload } from '@tabler/icons-react';
import { type DragEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFirmwareActions, type Firmware } from '@/entities/firmware';
import { placeQueries } from '@/entities/place';
import { ApiError, upload, type UploadProgress } from '@/shared/api';
import { useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';
import { type ImageNote, readImage } from './image';

export function RegisterFirmware({ opened, onClose, onDone }: { opened: boolean; onClose: () => void; onDone?: (firmware: Firmware) => void }) {
  const { t } = useTranslation();
  const f = useFormat();
  const products = useQuery({ ...placeQueries.products(), enabled: opened });
  const { create } = useFirmwareActions();
  const [file, setFile] = useState<File | null>(null);
  const [note, setNote] = useState<ImageNote | null>(null);
  const [progress, setProgress] = useState<UploadProgress | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [over, setOver] = useState(false);
  const abort = useRef<AbortController | null>(null);
  const form = useForm({
    initialValues: { product: '', version: '', notes: '' },
    validate: { product: (v) => (v ? null : t('form.required')), version: (v) => (v.trim() ? null : t('form.required')) },
  });
  const product = products.data?.items.find((p) => p.name === form.values.product);
  const tooLarge = file && product && file.size > product.slot_size;
  const busy = progress !== null;

  const take = async (chosen: File | null) => {
    setFile(chosen);
    setError(null);
    const read = chosen ? await readImage(chosen) : null;
    setNote(read);
    if (read?.kind === 'esp' && read.version && !form.values.version) form.setFieldValue('version', read.version);
  };
  const close = () => {
    // Closing would throw away a running upload: that is asked for by its own button.
    if (busy) return;
    form.reset();
    setFile(null);
    setNote(null);
    setError(null);
    onClose();
  };
  const submit = form.onSubmit(async (values) => {
    if (!file) return;
    abort.current = new AbortController();
    setError(null);
    setProgress({ loaded: 0, total: file.size });
    try {
      const sent = await upload(file, setProgress, abort.current.signal);
      const made = await create.mutateAsync({
        upload_id: sent.id,
        product: values.product,
        version: values.version.trim(),
        release_notes: values.notes || undefined,
        file_name: file.name,
      });
      toast.done(t('firmware.registered', { version: made.version }));
      setProgress(null);
      form.reset();
      setFile(null);
      setNote(null);
      onClose();
      onDone?.(made);
    } catch (reason) {
      setProgress(null);
      if (!(reason instanceof ApiError && reason.code === 'aborted')) setError(reason as Error);
    }
  });
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    void take(e.dataTransfer.files[0] ?? null);
  };

  return (
    <Modal opened={opened} onClose={close} title={t('firmware.register')} size="lg" closeOnClickOutside={!form.isDirty() && !file} closeOnEscape={!busy}>
      <form onSubmit={submit}>
        <Stack>
          {error && <Alert color="red" icon={<IconAlertTriangle size={18} />} title={t('firmware.notRegistered')} role="alert">{error.message}</Alert>}
          <Select label={t('product.one')} data={products.data?.items.map((p) => p.name) ?? []} searchable required nothingFoundMessage={t('product.none')} {...form.getInputProps('product')} />
          <FileButton onChange={(chosen) => void take(chosen)} disabled={busy}>
            {(props) => (
              <Box
                {...props}
                component="button"
                type="button"
                onDragOver={(e: DragEvent) => { e.preventDefault(); setOver(true); }}
                onDragLeave={() => setOver(false)}
                onDrop={drop}
                p="lg"
                style={{ border: `1.5px dashed var(${over ? '--mantine-primary-color-filled' : '--mantine-color-default-border'})`, borderRadius: 8, background: over ? 'var(--mantine-primary-color-light)' : 'transparent', cursor: 'pointer', color: 'inherit', font: 'inherit' }}
              >
                <Stack align="center" gap={4}>
                  <IconFileUpload size={26} stroke={1.5} aria-hidden />
                  <Text fw={600}>{file ? file.name : t('firmware.drop')}</Text>
                  <Text size="xs" c="dimmed">{file ? f.bytes(file.size) : t('firmware.dropHint')}</Text>
                </Stack>
              </Box>
            )}
          </FileButton>
          {note && <Text size="sm" c="dimmed">{note.kind === 'esp' ? t('firmware.readEsp', { project: note.project, version: note.version, idf: note.idf, chip: note.chip }) : t(`firmware.read_${note.kind}`)}</Text>}
          {note?.kind === 'esp' && product && product.image_format === 'esp-idf' && note.chip && product.chip.toLowerCase() !== note.chip && (
            <Alert color="red" icon={<IconAlertTriangle size={18} />}>{t('firmware.wrongChip', { chip: note.chip, product: product.name, expected: product.chip })}</Alert>
          )}
          {tooLarge && <Alert color="red" icon={<IconAlertTriangle size={18} />}>{t('firmware.tooLarge', { size: f.bytes(file.size), slot: f.bytes(product.slot_size) })}</Alert>}
          <TextInput label={t('firmware.version')} required maxLength={64} {...form.getInputProps('version')} />
          <Textarea label={t('firmware.notes')} autosize minRows={3} maxRows={8} {...form.getInputProps('notes')} />
          {progress && (
            <Stack gap={4}>
              <Progress value={(progress.loaded / Math.max(1, progress.total)) * 100} animated aria-label={t('firmware.uploading')} />
              <Text size="xs" c="dimmed">{t('firmware.uploadingOf', { loaded: f.bytes(progress.loaded), total: f.bytes(progress.total) })}</Text>
            </Stack>
          )}
          <Group justify="flex-end">
            {busy ? (
              <Button variant="default" onClick={() => abort.current?.abort()}>{t('firmware.stop')}</Button>
            ) : (
              <Button variant="default" onClick={close}>{t('action.back')}</Button>
            )}
            <Button type="submit" loading={busy} disabled={!file || Boolean(tooLarge)}>{t('firmware.register')}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
