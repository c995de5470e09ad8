package heddle;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Marks a test of the suite and says what it shows: a clause of JMS 2.0 ("JMS 3.4.7"), or a behaviour of Artemis ("Artemis D7"). */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@interface Shows {
    String value();
}
