/** Register content: a picture and how it is brought onto the display. What the display will show is made by the server and shown after. */
import { Alert, Box, Button, ColorInput, FileButton, Group, Image, Modal, Progress, SegmentedControl, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { IconAlertTriangle, IconPhotoUp } from '@tabler/icons-react';
import { type DragEvent, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Content, useContentActions } from '@/entities/content';
import { placeQueries } from '@/entities/place';
import { upload, type UploadProgress } from '@/shared/api';
import { useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';

const MAX_TITLE = 128;

export function RegisterContent({ opened, onClose, onDone }: { opened: boolean; onClose: () => void; onDone: (content: Content) => void }) {
  const { t } = useTranslation();
  const f = useFormat();
  const products = useQuery({ ...placeQueries.products(), enabled: opened });
  const { create } = useContentActions();
  const [file, setFile] = useState<File | null>(null);
  const [local, setLocal] = useState<string | null>(null);
  const [progress, setProgress] = useState<UploadProgress | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const required = (v: string) => (v.trim() ? null : t('form.required'));
  const form = useForm({
    initialValues: { product: '', title: '', description: '', fit: 'fit' as 'fit' | 'fill', background: '#000000' },
    validate: { product: required, title: required },
  });
  useEffect(() => () => { if (local) URL.revokeObjectURL(local); }, [local]);
  const withDisplay = products.data?.items.filter((p) => p.display) ?? [];
  const product = withDisplay.find((p) => p.name === form.values.product);
  const ready = file?.name.toLowerCase().endsWith('.bin') ?? false;
  const busy = progress !== null;
  const take = (chosen: File | null) => {
    setFile(chosen);
    setError(null);
    setLocal(chosen && chosen.type.startsWith('image/') ? URL.createObjectURL(chosen) : null);
    if (chosen && !form.values.title) form.setFieldValue('title', chosen.name.replace(/\.[^.]+$/, '').slice(0, MAX_TITLE));
  };
  const reset = () => {
    form.reset();
    setFile(null);
    setLocal(null);
    setError(null);
    setProgress(null);
  };
  const submit = form.onSubmit(async (v) => {
    if (!file) return;
    setError(null);
    setProgress({ loaded: 0, total: file.size });
    try {
      const sent = await upload(file, setProgress);
      const made = await create.mutateAsync({
        upload_id: sent.id,
        product: v.product,
        title: v.title.trim(),
        description: v.description || undefined,
        ...(ready ? {} : { fit: v.fit, background: v.background }),
      });
      toast.done(t('content.registered', { title: made.title }));
      reset();
      onClose();
      onDone(made);
    } catch (reason) {
      setProgress(null);
      setError(reason as Error);
    }
  });
  const close = () => {
    if (busy) return;
    reset();
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title={t('content.register')} size="lg" closeOnClickOutside={!form.isDirty() && !file} closeOnEscape={!busy}>
      <form onSubmit={submit}>
        <Stack>
          {error && <Alert color="red" icon={<IconAlertTriangle size={18} />} title={t('content.notRegistered')} role="alert">{error.message}</Alert>}
          <Select label={t('product.one')} required searchable data={withDisplay.map((p) => p.name)} description={product?.display ? t('content.display', { width: product.display.width, height: product.display.height }) : t('content.needsDisplay')} {...form.getInputProps('product')} />
          <FileButton onChange={take} accept="image/png,image/jpeg,image/webp,.bin" disabled={busy}>
            {(props) => (
              <Box
                {...props}
                component="button"
                type="button"
                p={local ? 4 : 'lg'}
                onDragOver={(e: DragEvent) => e.preventDefault()}
                onDrop={(e: DragEvent) => { e.preventDefault(); take(e.dataTransfer.files[0] ?? null); }}
                style={{ border: '1.5px dashed var(--mantine-color-default-border)', borderRadius: 8, background: 'transparent', cursor: 'pointer', color: 'inherit', font: 'inherit' }}
              >
                {local ? (
                  // As the display's shape will cut or frame it; the exact colours are the server's to show.
                  <Box mx="auto" maw={420} style={{ aspectRatio: product?.display ? `${product.display.width} / ${product.display.height}` : undefined, background: form.values.background, overflow: 'hidden' }}>
                    <Image src={local} alt={file?.name ?? ''} fit={form.values.fit === 'fit' ? 'contain' : 'cover'} h="100%" />
                  </Box>
                ) : (
                  <Stack align="center" gap={4}>
                    <IconPhotoUp size={26} stroke={1.5} aria-hidden />
                    <Text fw={600}>{file ? file.name : t('content.drop')}</Text>
                    <Text size="xs" c="dimmed">{file ? f.bytes(file.size) : t('content.dropHint')}</Text>
                  </Stack>
                )}
              </Box>
            )}
          </FileButton>
          {ready ? (
            <Text size="sm" c="dimmed">{t('content.ready')}</Text>
          ) : (
            <Group align="flex-end">
              <Stack gap={4}>
                <Text size="sm" fw={500} id="content-fit">{t('content.fit')}</Text>
                <SegmentedControl aria-labelledby="content-fit" data={[{ value: 'fit', label: t('content.fit_fit') }, { value: 'fill', label: t('content.fit_fill') }]} {...form.getInputProps('fit')} />
              </Stack>
              <ColorInput label={t('content.background')} format="hex" w={160} {...form.getInputProps('background')} />
            </Group>
          )}
          <TextInput label={t('content.title')} required maxLength={MAX_TITLE} {...form.getInputProps('title')} />
          <Textarea label={t('content.description')} autosize minRows={2} {...form.getInputProps('description')} />
          {progress && <Progress value={(progress.loaded / Math.max(1, progress.total)) * 100} animated aria-label={t('firmware.uploading')} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close} disabled={busy}>{t('action.back')}</Button>
            <Button type="submit" loading={busy} disabled={!file}>{t('content.register')}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
