package heddle;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The suite of what a JMS application expects of its broker: {@code Suite run URL RUN GROUP...} or {@code Suite list GROUP...}.
 *
 * <p>Groups run beside each other, the tests of one in turn. Each prints {@code GROUP.test ok} or {@code GROUP.test failed: why}; a list
 * prints {@code GROUP.test} and what it shows, divided by a tab. RUN becomes part of every name, so that runs on one broker do not meet.
 * What may fail is not known here: tests/interop/suite.py judges.
 */
public final class Suite {
    /** Groups that run beside each other: they mostly wait. */
    private static final int THREADS = 6;
    /** Longer than all the waits of one test that fails. */
    private static final long TEST_MS = 60_000;

    private Suite() {}

    private static List<Method> tests(Class<?> group) {
        return Arrays.stream(group.getDeclaredMethods()).filter(method -> method.isAnnotationPresent(Shows.class))
            .sorted(Comparator.comparing(Method::getName)).toList();
    }

    private static String result(Class<?> group, Method test, String url, String name) throws Exception {
        Group subject = (Group) group.getDeclaredConstructor().newInstance();
        subject.prepare(url, name);
        FutureTask<String> task = new FutureTask<>(() -> {
            try (subject) {
                test.invoke(subject);
                return "ok";
            } catch (InvocationTargetException thrown) {
                return failure(thrown.getCause());
            }
        });
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        try {
            return task.get(TEST_MS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException late) {
            StackTraceElement[] where = thread.getStackTrace();
            thread.interrupt();
            return "failed: no end within " + TEST_MS / 1000 + " s, at "
                + Arrays.stream(where).filter(element -> element.getClassName().startsWith("heddle.")).findFirst().orElse(null);
        }
    }

    private static String failure(Throwable thrown) {
        String why = thrown instanceof AssertionError ? thrown.getMessage() : String.valueOf(thrown);
        StackTraceElement at = Arrays.stream(thrown.getStackTrace())
            .filter(element -> element.getClassName().startsWith("heddle.") && !element.getClassName().equals("heddle.Group"))
            .findFirst().orElse(null);
        return "failed: " + String.valueOf(why).replace('\n', ' ') + (at == null ? "" : " (line " + at.getLineNumber() + ")");
    }

    private static void run(Class<?> group, String url, String run) {
        for (Method test : tests(group)) {
            String title = group.getSimpleName() + "." + test.getName();
            // What both halves of a restart use has one name.
            String name = "jms." + group.getSimpleName().replaceAll("^(Before|After)Kill$", "Restart") + "." + test.getName() + "." + run;
            String result;
            try {
                result = result(group, test, url, name);
            } catch (Exception thrown) {
                result = failure(thrown);
            }
            System.out.println(title + " " + result);
        }
    }

    public static void main(String[] arguments) throws Exception {
        boolean lists = arguments[0].equals("list");
        List<Class<?>> groups = new ArrayList<>();
        for (String group : Arrays.asList(arguments).subList(lists ? 1 : 3, arguments.length)) {
            groups.add(Class.forName("heddle." + group));
        }
        if (lists) {
            for (Class<?> group : groups) {
                for (Method test : tests(group)) {
                    System.out.println(group.getSimpleName() + "." + test.getName() + "\t" + test.getAnnotation(Shows.class).value());
                }
            }
            return;
        }
        ExecutorService pool = Executors.newFixedThreadPool(THREADS);
        List<Future<?>> runs = new ArrayList<>();
        for (Class<?> group : groups) {
            runs.add(pool.submit(() -> run(group, arguments[1], arguments[2])));
        }
        for (Future<?> done : runs) {
            done.get();
        }
        System.out.flush();
        // Threads of a test that did not end must not keep the program.
        System.exit(0);
    }
}
